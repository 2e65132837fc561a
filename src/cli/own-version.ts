/** The version of this program. */
import { readFileSync } from 'node:fs'

/** Of the package that this file lies in, two folders up in a checkout and in a published package alike. */
export function ownVersion(): string {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}
