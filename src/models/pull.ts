/** Brings a model file into the models folder: resumed, checked by digest and header, and named only when it is sound. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { Download, Downloader } from '../ports/downloader.ts'
import type { Logger } from '../ports/logger.ts'
import type { ModelFilePart, ModelFiles } from '../ports/model-files.ts'
import { readOfferable } from './offerable.ts'
import { type PullPlan, type PullWish, planPull } from './pull-plan.ts'

export interface PullProgress {
  readonly status: 'resolving' | 'pulling' | 'verifying' | 'done'
  /** The id under which the model will be offered. */
  readonly id: string
  /** SHA-256 in hex: the expected one until the file's own is known. */
  readonly digest?: string | undefined
  /** Bytes of the whole file and those that are here. */
  readonly total?: number | undefined
  readonly completed?: number | undefined
}

export interface PullDeps {
  /** The user's models folder. */
  readonly files: ModelFiles
  readonly http: Downloader
  readonly disk: Downloader
  readonly clock: Clock
  readonly log: Logger
}

interface Waiting {
  readonly signal: AbortSignal
}

const MAGIC = [0x47, 0x47, 0x55, 0x46] // the bytes "GGUF"

export class ModelPuller {
  readonly #deps: PullDeps
  readonly #reserveBytes: number

  /** `reserveBytes` of the disk are left free; `limit('pullReserveBytes')` unless the operator decides otherwise. */
  constructor(deps: PullDeps, { reserveBytes }: { readonly reserveBytes: number }) {
    this.#deps = deps
    this.#reserveBytes = reserveBytes
  }

  /**
   * Pulls an `http`, `https` or `file` address or a local path. Ends with `done`, or throws: `invalid_request`, `conflict` (another file has
   * the name, or it is being pulled now), `storage_full`, `download_failed`, `digest_mismatch`, `gguf_invalid`, or the signal's reason.
   * After all but the last two codes what was loaded stays, and the same pull goes on from there; an unsound file is deleted.
   */
  async *pull(reference: string, { signal, ...wish }: PullWish & Waiting): AsyncGenerator<PullProgress> {
    const plan = planPull(reference, wish)
    const { id, sha256 } = plan
    yield { status: 'resolving', id, digest: sha256 }
    const present = await this.#present(plan, signal)
    if (present !== undefined) {
      yield { status: 'done', id, ...present }
      return
    }
    await using part = await this.#deps.files.openPart(plan.fileName, { signal })
    try {
      yield* this.#load(part, plan, signal)
      yield { status: 'verifying', id, digest: sha256, total: part.sizeBytes, completed: part.sizeBytes }
      await verify(part, plan, signal)
    } catch (error) {
      if (isUnsound(error)) await part.discard()
      throw error
    }
    const done = { digest: part.digest(), total: part.sizeBytes, completed: part.sizeBytes }
    await part.commit({ signal })
    this.#deps.log.info({ model: id, digest: done.digest, sizeBytes: done.total }, 'model pulled')
    yield { status: 'done', id, ...done }
  }

  /** What is known of the file where it is here already; `conflict` where another has its name. */
  async #present(
    plan: PullPlan,
    signal: AbortSignal,
  ): Promise<Pick<PullProgress, 'digest' | 'total' | 'completed'> | undefined> {
    const { files } = this.#deps
    const entry = await files.stat(plan.fileName, { signal })
    if (entry === undefined) return undefined
    const same = plan.sha256 === undefined ? await this.#isUnchanged(plan, signal) : await this.#hasDigest(plan, signal)
    if (!same) {
      throw new HeddleError('conflict', `another file is here under the name ${plan.id}`, {
        fix: `heddle models rm ${plan.id}, or give the new one another --name`,
      })
    }
    return { digest: await files.digest(plan.fileName, { signal }), total: entry.sizeBytes, completed: entry.sizeBytes }
  }

  async #hasDigest({ fileName, sha256 }: PullPlan, signal: AbortSignal): Promise<boolean> {
    return (await this.#deps.files.digest(fileName, { signal })) === sha256
  }

  /** Whether the file came from this source, and the source still has that version. */
  async #isUnchanged(plan: PullPlan, signal: AbortSignal): Promise<boolean> {
    const recorded = await this.#deps.files.recordedDigest(plan.fileName, { signal })
    const origin = recorded?.origin
    if (origin?.validator === undefined || origin.source !== plan.source) return false
    await using download = await this.#downloader(plan).open(plan.address, {
      fromByte: 0,
      validator: undefined,
      signal,
    })
    return download.validator === origin.validator && download.sizeBytes === origin.sizeBytes
  }

  #downloader({ kind }: PullPlan): Downloader {
    return kind === 'http' ? this.#deps.http : this.#deps.disk
  }

  /** Loads until the part is whole; what breaks is resumed a few times. */
  async *#load(part: ModelFilePart, plan: PullPlan, signal: AbortSignal): AsyncGenerator<PullProgress> {
    for (let tries = 0; ; tries += 1) {
      try {
        yield* this.#loadOnce(part, plan, signal)
        return
      } catch (error) {
        if (!mayResume(error) || tries >= limit('pullRetries')) throw error
        this.#deps.log.warn({ model: plan.id, sizeBytes: part.sizeBytes, error }, 'download broke and is resumed')
      }
      await this.#deps.clock.sleep(limit('pullBackoffMs') * 2 ** tries, { signal })
    }
  }

  async *#loadOnce(part: ModelFilePart, plan: PullPlan, signal: AbortSignal): AsyncGenerator<PullProgress> {
    const { clock } = this.#deps
    await using download = await this.#openDownload(part, plan, signal)
    const { sizeBytes: total, offset, validator, body } = download
    await this.#refuseTooLarge(total - part.sizeBytes, signal)
    if (offset === 0) await part.restart({ source: plan.source, validator, sizeBytes: total }, { signal })
    const progress = (): PullProgress => ({
      status: 'pulling',
      id: plan.id,
      digest: plan.sha256,
      total,
      completed: part.sizeBytes,
    })
    yield progress()
    let shownAt = clock.monotonic()
    let isChecked = false
    for await (const bytes of body) {
      await part.append(bytes, { signal })
      // An error page is noticed at once instead of after gigabytes.
      if (!isChecked && part.sizeBytes >= MAGIC.length) isChecked = await checkMagic(part, signal)
      if (clock.monotonic() - shownAt < limit('pullProgressMs')) continue
      shownAt = clock.monotonic()
      yield progress()
    }
    if (part.sizeBytes !== total)
      throw new HeddleError('download_failed', 'the download ended early', { shouldRetry: true })
    yield progress()
  }

  /** Opens the source where the part ends, or from its start where it may have changed since. */
  async #openDownload(part: ModelFilePart, plan: PullPlan, signal: AbortSignal): Promise<Download> {
    const { origin } = part
    // Without a version of the source, only a given digest can tell whether the two halves belong together.
    const fits = origin?.source === plan.source && (origin.validator !== undefined || plan.sha256 !== undefined)
    const fromByte = fits ? part.sizeBytes : 0
    const downloader = this.#downloader(plan)
    const download = await downloader.open(plan.address, {
      fromByte,
      validator: fits ? origin.validator : undefined,
      signal,
    })
    if (download.offset === 0 || download.sizeBytes === origin?.sizeBytes) return download
    await download[Symbol.asyncDispose]()
    return await downloader.open(plan.address, { fromByte: 0, validator: undefined, signal })
  }

  async #refuseTooLarge(neededBytes: number, signal: AbortSignal): Promise<void> {
    const { files } = this.#deps
    const freeBytes = await files.freeBytes({ signal })
    if (neededBytes <= freeBytes - this.#reserveBytes) return
    const has = `${megabytes(freeBytes)} are free, of which ${megabytes(this.#reserveBytes)} stay reserved`
    throw new HeddleError('storage_full', `${megabytes(neededBytes)} more are needed in ${files.location}; ${has}`, {
      metadata: { neededBytes, freeBytes, reserveBytes: this.#reserveBytes },
    })
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}

async function checkMagic(part: ModelFilePart, signal: AbortSignal): Promise<true> {
  const start = await part.read(0, MAGIC.length, { signal })
  if (MAGIC.some((byte, at) => start[at] !== byte)) throw removed('gguf_invalid', 'this is not a GGUF file')
  return true
}

async function verify(part: ModelFilePart, { sha256 }: PullPlan, signal: AbortSignal): Promise<void> {
  const digest = part.digest()
  if (sha256 !== undefined && digest !== sha256) {
    throw removed('digest_mismatch', `the SHA-256 of what was loaded is ${digest}, not ${sha256}`)
  }
  try {
    await readOfferable((offset, length) => part.read(offset, length, { signal }), part.sizeBytes)
  } catch (cause) {
    if (!(cause instanceof HeddleError)) throw cause
    throw removed('gguf_invalid', cause.message, cause)
  }
}

function removed(code: 'gguf_invalid' | 'digest_mismatch', what: string, cause?: HeddleError): HeddleError {
  return new HeddleError(code, `${what}; the download was removed`, { cause, metadata: cause?.details.metadata })
}

function isUnsound(error: unknown): boolean {
  return error instanceof HeddleError && (error.code === 'gguf_invalid' || error.code === 'digest_mismatch')
}

function mayResume(error: unknown): boolean {
  return error instanceof HeddleError && error.code === 'download_failed' && error.details.shouldRetry === true
}
