/** The `date` header's value, written anew once a second. */
import type { Clock } from '../../ports/clock.ts'

export function httpDate(clock: Pick<Clock, 'now'>): () => string {
  let second = -1
  let text = ''
  return () => {
    const now = Math.floor(clock.now() / 1000)
    if (now !== second) {
      second = now
      text = new Date(now * 1000).toUTCString()
    }
    return text
  }
}
