/** SHA-256 of a file, read in pieces, and the note beside a model file that remembers it. */
import { createHash, type Hash } from 'node:crypto'
import { type FileHandle, readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { ModelFileOrigin, RecordedDigest } from '../../ports/model-files.ts'

const PIECE_BYTES = 1024 * 1024
/** A note is about 300 bytes; a longer file is not one. */
const NOTE_CHARACTERS = 16 * 1024

/** Feeds the whole file to a hash. */
export async function hashFile(file: FileHandle, { signal }: { readonly signal: AbortSignal }): Promise<Hash> {
  const hash = createHash('sha256')
  const piece = new Uint8Array(PIECE_BYTES)
  for (let offset = 0; ; ) {
    signal.throwIfAborted()
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, offset)
    if (bytesRead === 0) return hash
    hash.update(piece.subarray(0, bytesRead))
    offset += bytesRead
  }
}

/** Which file a note speaks of: another size or time means that the file has changed since. */
export interface FileVersion {
  readonly sizeBytes: number
  readonly modifiedMs: number
}

export async function readDigestNote(path: string, version: FileVersion): Promise<RecordedDigest | undefined> {
  const note = await readJson(path)
  const { sha256, sizeBytes, modifiedMs } = note ?? {}
  if (typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256)) return undefined
  if (sizeBytes !== version.sizeBytes || modifiedMs !== version.modifiedMs) return undefined
  return { sha256, origin: originOf(note?.['origin']) }
}

export async function writeDigestNote(path: string, version: FileVersion, digest: RecordedDigest): Promise<void> {
  await writeJson(path, { sha256: digest.sha256, ...version, origin: digest.origin })
}

/** What was noted about a part's source; undefined where nothing sound was. */
export async function readOrigin(path: string): Promise<ModelFileOrigin | undefined> {
  return originOf(await readJson(path))
}

export async function writeJson(path: string, value: unknown): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    await writeFile(temporary, `${JSON.stringify(value)}\n`)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function readJson(path: string): Promise<Record<string, unknown> | undefined> {
  // A note only saves work: one that is missing, unreadable or broken counts as none.
  const text = await readFile(path, 'utf8').catch(() => '')
  if (text === '' || text.length > NOTE_CHARACTERS) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function originOf(value: unknown): ModelFileOrigin | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { source, validator, sizeBytes } = value as Record<string, unknown>
  if (typeof source !== 'string' || typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes)) return undefined
  return { source, validator: typeof validator === 'string' ? validator : undefined, sizeBytes }
}
