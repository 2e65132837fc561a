/** undici, loaded by the first service that is added: it takes 4 MB. */
import { createRequire } from 'node:module'

export const undici = (): typeof import('undici') => createRequire(import.meta.url)('undici') as typeof import('undici')
