/** The API key that a request carries, in whichever of the usual headers. */
import { limit } from '../core/limits.ts'

const BEARER = /^bearer +([\x21-\x7e]+) *$/i

export interface CredentialHeaders {
  readonly authorization: string | undefined
  /** `x-api-key` or `api-key`. */
  readonly apiKey: string | undefined
}

/** The secret in `authorization: Bearer …`, else in `x-api-key` or `api-key`; undefined where there is none that could be a key. */
export function parseCredentials({ authorization, apiKey }: CredentialHeaders): string | undefined {
  const secret = (authorization === undefined ? undefined : BEARER.exec(authorization)?.[1]) ?? apiKey?.trim()
  if (secret === undefined || secret === '' || secret.length > limit('credentialCharacters')) return undefined
  return secret
}
