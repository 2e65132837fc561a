/** Reads each message once for all nodes of a process: the real codec, whose answer is the same at each of them. */
import type { SignatureScheme } from '../../src/core/identity/signed-value.ts'
import { parseBatch } from '../../src/core/registry/gossip-batch.ts'
import { parseLoadBeat } from '../../src/core/registry/load-beat.ts'
import { parseNodeRecord } from '../../src/core/registry/record-codec.ts'
import type { MembershipReaders } from '../../src/membership/membership.ts'

/** Of each kind; the oldest are forgotten. */
const MOST = 20_000

export function sharedReaders(): MembershipReaders {
  const records = new Answers<ReturnType<typeof parseNodeRecord>>()
  const beats = new Answers<ReturnType<typeof parseLoadBeat>>()
  const batches = new Answers<ReturnType<typeof parseBatch>>()
  return {
    record: (scheme, bytes, options) => records.of(bytes, () => parseNodeRecord(scheme, bytes, options)),
    beat: (bytes) => beats.of(bytes, () => parseLoadBeat(bytes)),
    batch: (bytes) => batches.of(bytes, () => parseBatch(bytes)),
  }
}

/** Checks each signature once for all nodes of a process. */
export function sharedScheme(scheme: SignatureScheme): SignatureScheme {
  const checks = new Answers<boolean>()
  return {
    sha256: (bytes) => scheme.sha256(bytes),
    verify: (publicKey, message, signature) => checks.of(signature, () => scheme.verify(publicKey, message, signature)),
  }
}

class Answers<T> {
  readonly #answers = new Map<string, T>()

  of(bytes: Uint8Array, answer: () => T): T {
    const key = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
    const known = this.#answers.get(key)
    if (known !== undefined) return known
    const found = answer()
    this.#answers.set(key, found)
    const [oldest] = this.#answers.keys()
    if (this.#answers.size > MOST && oldest !== undefined) this.#answers.delete(oldest)
    return found
  }
}
