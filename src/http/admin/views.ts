/** Domain values as the admin API shows them; times become RFC 3339, absent becomes null, secrets go. */
import type { UnixMs } from '../../core/ids.ts'
import type { ConfigEntry, RuntimeView } from '../../core/wire/admin.ts'
import type { KeyView, RequestView } from '../../core/wire/admin-accounts.ts'
import type { ApiKey } from '../../ports/key-store.ts'
import type { RequestRecord } from '../../ports/request-log.ts'
import type { Runtime } from '../../ports/runtime.ts'

export const MASK = '********'

export const timestampOf = (at: UnixMs): string => new Date(at).toISOString()
const timestampOrNull = (at: UnixMs | undefined): string | null => (at === undefined ? null : timestampOf(at))

/** Neither the secret nor its hash is part of the view. */
export function keyView(key: ApiKey, now: UnixMs): KeyView {
  const expired = key.expiresAt !== undefined && key.expiresAt <= now
  return {
    id: key.id,
    name: key.name,
    hint: key.hint,
    scopes: [...key.scopes],
    models: [...key.models],
    rpm: key.requestsPerMinute ?? null,
    tpm: key.tokensPerMinute ?? null,
    promptTrust: key.promptTrust,
    createdAt: timestampOf(key.createdAt),
    expiresAt: timestampOrNull(key.expiresAt),
    revokedAt: timestampOrNull(key.revokedAt),
    state: key.revokedAt !== undefined ? 'revoked' : expired ? 'expired' : 'active',
  }
}

export function requestView(record: RequestRecord): RequestView {
  return {
    id: record.id,
    at: timestampOf(record.at),
    endpoint: record.endpoint,
    model: record.model,
    keyId: record.keyId ?? null,
    stream: record.stream,
    status: record.status,
    outcome: record.outcome,
    node: record.node ?? null,
    runtime: record.runtime ?? null,
    candidates: record.candidates,
    exclusions: record.exclusions.map((exclusion) => ({ ...exclusion })),
    attempts: record.attempts.map((attempt) => ({ ...attempt })),
    inputTokens: record.inputTokens ?? null,
    outputTokens: record.outputTokens ?? null,
    firstByteMs: record.firstByteMs ?? null,
    durationMs: record.durationMs,
    finishReason: record.finishReason ?? null,
  }
}

/** A runtime of this node. `now` is of the clock by which the runtime tells when it entered its state. */
export function runtimeView(runtime: Runtime, now: number): RuntimeView {
  const snapshot = runtime.snapshot()
  return {
    id: runtime.id,
    kind: runtime.kind,
    location: withoutPassword(runtime.location),
    state: snapshot.state,
    reason: snapshot.reason,
    sinceMs: Math.max(0, now - snapshot.sinceMs),
    tries: snapshot.tries,
    models: snapshot.offers.map(({ id }) => id),
    inFlight: runtime.inFlight(),
    capacity: snapshot.capacity,
    facts: { ...snapshot.facts },
  }
}

/** A setting whose value is secret, or a URL with a password in it, is masked whoever asks. */
export function maskedEntry(entry: ConfigEntry): ConfigEntry {
  if (entry.secret) return { ...entry, value: entry.value === '' || entry.value === null ? entry.value : MASK }
  return { ...entry, value: maskedValue(entry.value) }
}

function maskedValue(value: ConfigEntry['value']): ConfigEntry['value'] {
  if (typeof value === 'string') return withoutPassword(value)
  return Array.isArray(value) ? value.map(maskedValue) : value
}

/** `scheme://user:password@host` with its user part masked. */
export const withoutPassword = (text: string): string => text.replace(/(:\/\/)[^/@\s]+@/g, `$1${MASK}@`)

const UNITS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** Milliseconds of `90m`, `7d`, …; the schema has checked the form. */
export function durationMsOf(text: string): number {
  return Number(text.slice(0, -1)) * (UNITS[text.slice(-1)] ?? Number.NaN)
}
