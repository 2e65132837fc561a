/** What the errors of the disk mean for those who use model files. */
import { HeddleError } from '../../core/errors.ts'

/** The system's name for what went wrong, e.g. `ENOENT`. */
export function systemCodeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export function isMissing(error: unknown): boolean {
  const code = systemCodeOf(error)
  return code === 'ENOENT' || code === 'ENOTDIR'
}

const FULL = new Map([
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EFBIG', 'the file system takes no file of this size'],
])

/** The failure of a write, with `storage_full` where there is no room. */
export function writeFailure(cause: unknown, folder: string): unknown {
  const why = FULL.get(systemCodeOf(cause) ?? '')
  if (why === undefined) return cause
  return new HeddleError('storage_full', `${why}: ${folder}`, { cause, fix: `df -h '${folder}'` })
}
