/** Carries an answer to the client as the bytes it came in, at the client's pace, and tells the truth when it breaks. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import type { Answer, StreamAnswer } from './attempt.ts'
import type { GatewayDeps } from './deps.ts'
import type { Reply } from './inbound.ts'
import { streamHeaders, wholeHeaders } from './response-headers.ts'
import type { RequestStory } from './story.ts'
import { decodeUtf8 } from './utf8.ts'

const DONE = Buffer.from('data: [DONE]\n\n')

type StreamDeps = Pick<GatewayDeps, 'clock' | 'metrics' | 'log' | 'logContent'>

/** @throws HeddleError `upstream_interrupted` where the answer broke after its first byte */
export async function deliver(
  deps: StreamDeps,
  story: RequestStory,
  reply: Reply,
  answer: Answer,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const now = deps.clock.monotonic()
  story.status = 200
  story.firstByteAt = now
  if (answer.kind === 'whole') {
    story.usage = answer.usage
    story.finishReason = answer.finishReason
    logContent(deps, story, answer.body)
    reply.whole(200, wholeHeaders(story, now), answer.body)
    return
  }
  if (!reply.started) reply.head(200, streamHeaders(story, now))
  try {
    await pump(deps, story, reply, answer, signal)
  } finally {
    story.usage = answer.scanner.usage
    story.finishReason = answer.scanner.finishReason
  }
  reply.end(DONE)
}

/** Returns only when the stream came to a truthful end. */
async function pump(
  deps: StreamDeps,
  story: RequestStory,
  reply: Reply,
  { first, rest, scanner }: StreamAnswer,
  signal: AbortSignal,
): Promise<void> {
  const { clock, metrics } = deps
  const endsAt = clock.monotonic() + limit('streamDurationMs')
  let bytes = first
  try {
    for (;;) {
      if (bytes.length > 0) {
        logContent(deps, story, bytes)
        if (!reply.write(bytes)) await reply.drained()
      }
      if (scanner.fault !== undefined) throw new HeddleError('upstream_interrupted', 'the runtime broke off its answer')
      const result = await rest.next()
      if (result.done === true) break
      signal.throwIfAborted()
      if (clock.monotonic() > endsAt)
        throw new HeddleError('upstream_interrupted', 'the answer took longer than a stream may')
      bytes = scanner.push(result.value)
    }
    if (scanner.hasRest || scanner.finishedChoices < (story.request?.choices ?? 1)) {
      throw new HeddleError('upstream_interrupted', 'the runtime ended its stream without a finish reason')
    }
  } catch (error) {
    if (!signal.aborted) metrics.attemptFailed('after_first_byte')
    await rest.return?.()
    throw error
  }
}

function logContent({ log, logContent: wanted }: StreamDeps, story: RequestStory, bytes: Uint8Array): void {
  if (wanted) log.info({ requestId: story.inbound.id, text: decodeUtf8(bytes) }, 'answer content')
}
