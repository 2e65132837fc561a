/** Bytes as one word of text that people copy and keep in files: `heddle-<what>-1.` and base64url, with a check against slips. */
import { base64urlOf, concatBytes, equalBytes, parseBase64url } from './bytes.ts'
import { type Checked, malformed, ok } from './refusal.ts'
import type { SignatureScheme } from './signed-value.ts'

export type ArmourLabel =
  | 'heddle-join-1'
  | 'heddle-account-1'
  | 'heddle-sealed-key-1'
  | 'heddle-certificate-1'
  | 'heddle-statement-1'

/** First bytes of the SHA-256 of what precedes them; one slip in four thousand million goes unnoticed. */
const CHECK_BYTES = 4

export function armourOf(scheme: Pick<SignatureScheme, 'sha256'>, label: ArmourLabel, bytes: Uint8Array): string {
  return `${label}.${base64urlOf(concatBytes(bytes, checkOf(scheme, label, bytes)))}`
}

/** Reads untrusted text; white space around it is ignored. */
export function parseArmour(
  scheme: Pick<SignatureScheme, 'sha256'>,
  label: ArmourLabel,
  text: string,
  { maxBytes }: { readonly maxBytes: number },
): Checked<Uint8Array> {
  // Base64 has four characters for three bytes; the rest is room for white space.
  if (text.length > maxBytes * 2 + 256) return malformed('too long')
  const word = text.trim()
  if (!word.startsWith(`${label}.`)) return malformed(`it does not begin with ${label}`)
  const bytes = parseBase64url(word.slice(label.length + 1))
  if (bytes === undefined || bytes.length < CHECK_BYTES) return malformed('not base64url')
  const body = bytes.slice(0, -CHECK_BYTES)
  if (body.length > maxBytes) return malformed('too long')
  const isWhole = equalBytes(bytes.subarray(-CHECK_BYTES), checkOf(scheme, label, body))
  return isWhole ? ok(body) : malformed('a character is missing or wrong')
}

function checkOf(scheme: Pick<SignatureScheme, 'sha256'>, label: ArmourLabel, bytes: Uint8Array): Uint8Array {
  const name = Uint8Array.from(label, (character) => character.charCodeAt(0))
  return scheme.sha256(concatBytes(name, bytes)).subarray(0, CHECK_BYTES)
}
