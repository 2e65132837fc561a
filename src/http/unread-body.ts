/** Answers that go out before their request was read to its end, so that nobody can go on sending for nothing. */
import type { ServerResponse } from 'node:http'
import { limit } from '../core/limits.ts'
import type { HeaderPairs } from '../gateway/inbound.ts'
import type { Clock } from '../ports/clock.ts'

/**
 * What is still sent is read and dropped for at most `lingerMs`: a connection that is closed with unread bytes is reset, and the
 * client may lose the answer that says why. After a small body the connection stays.
 */
export function answerUnread(
  { clock }: { readonly clock: Pick<Clock, 'after'> },
  response: ServerResponse,
  status: number,
  headers: HeaderPairs,
  body: Uint8Array,
): void {
  const request = response.req
  const { 'content-length': length, 'transfer-encoding': coding } = request.headers
  const stays = coding === undefined && Number(length ?? 0) <= limit('adminBodyBytes')
  if (!stays) response.shouldKeepAlive = false
  response.writeHead(status, [...headers])
  if (stays) response.end(body)
  // Node closes the connection at the end of an answer that says so; until then this one is whole by its length alone.
  else response.write(body)
  const timer = clock.after(limit('lingerMs'), () => {
    if (stays) request.socket.destroy()
    else response.end()
  })
  request.once('close', () => {
    timer.cancel()
    if (!stays) response.end()
  })
  request.resume()
}
