/** The headers that tell a client who served it and how. */
import type { MonotonicMs } from '../core/ids.ts'
import type { HeaderPairs } from './inbound.ts'
import type { RequestStory } from './story.ts'

const STREAM = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache',
  'x-accel-buffering',
  'no',
] as const

export function streamHeaders(story: RequestStory, now: MonotonicMs): HeaderPairs {
  return [...STREAM, ...servedBy(story, now)]
}

export function wholeHeaders(story: RequestStory, now: MonotonicMs): HeaderPairs {
  return ['content-type', 'application/json', ...servedBy(story, now)]
}

/** `x-request-id` and CORS are added by the HTTP layer, which has them for every answer. */
function servedBy(story: RequestStory, now: MonotonicMs): string[] {
  const { plan, servedBy, attempts, admitted, inbound } = story
  const headers = admitted === undefined ? [] : [...admitted.headers]
  if (servedBy === undefined) return headers
  const overheadMs = Math.max(0, now - inbound.arrivedAt - story.providerMs)
  headers.push('x-heddle-node', asValue(servedBy.nodeName), 'x-heddle-runtime', asValue(servedBy.runtime))
  // OCF's name for the id of that node.
  headers.push('x-computing-node', servedBy.node)
  headers.push('x-heddle-route', plan?.reason ?? 'none', 'x-heddle-attempts', String(attempts.length))
  headers.push('x-heddle-overhead-ms', overheadMs.toFixed(2))
  return headers
}

/** A name that a person chose, with what may not stand in a header percent-encoded. */
function asValue(name: string): string {
  return /[^\x21-\x7e]/.test(name) ? encodeURIComponent(name) : name
}
