/** The client's own request id, given back. */
import type { HeaderPairs } from '../gateway/inbound.ts'

const CLIENT_ID = /^[\x21-\x7e]{1,128}$/
const NONE: HeaderPairs = []

/** `x-client-request-id` and its value, where it is one that may stand in a header. */
export function echoedId(value: string | readonly string[] | undefined): HeaderPairs {
  return typeof value === 'string' && CLIENT_ID.test(value) ? ['x-client-request-id', value] : NONE
}
