/** Which heddle this is. */
import { readFileSync } from 'node:fs'
import type { VersionView } from '../core/wire/admin.ts'

/** The package's own; it lies two folders up from here in a checkout and in a published package alike. */
export const VERSION = (
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
).version

export function versionView(): VersionView {
  return {
    schema: 'heddle.version/v1',
    version: VERSION,
    node: process.version,
    api: 'v1',
    platform: `${process.platform}-${process.arch}`,
    parts: { sqlite: process.versions['sqlite'] ?? 'unknown' },
  }
}
