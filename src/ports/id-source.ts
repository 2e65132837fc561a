/** Chance, as a dependency. Every implementation promises unpredictable secrets and ids that do not repeat. */
import type { KeyId, RequestId } from '../core/ids.ts'

export interface IdSource {
  requestId(): RequestId
  keyId(): KeyId
  /** `bytes` of secret chance in base64url. */
  secret(bytes: number): string
  /** A number in [0, 1), for jitter and tie-breaking only. */
  fraction(): number
}
