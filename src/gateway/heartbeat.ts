/** Comments that keep a waiting stream's connection open until the first token. */
import { limit } from '../core/limits.ts'
import type { Timer } from '../ports/clock.ts'
import type { GatewayDeps } from './deps.ts'
import type { Reply } from './inbound.ts'
import { streamHeaders } from './response-headers.ts'
import type { RequestStory } from './story.ts'

const COMMENT = Buffer.from(': waiting\n\n')

export interface Heartbeat extends Disposable {
  stop(): void
}

/** After the first comment a failure can no longer change the status; it is told in the stream. */
export function startHeartbeat({ clock }: Pick<GatewayDeps, 'clock'>, story: RequestStory, reply: Reply): Heartbeat {
  let timer: Timer
  const beat = (): void => {
    if (!reply.started) {
      story.status = 200
      reply.head(200, streamHeaders(story, clock.monotonic()))
    }
    reply.write(COMMENT)
    timer = clock.after(limit('heartbeatMs'), beat)
  }
  timer = clock.after(limit('heartbeatMs'), beat)
  const stop = (): void => timer.cancel()
  return { stop, [Symbol.dispose]: stop }
}
