/** A body that tells when it is over, however that comes about. */
import type { MessageBody } from '../../../core/message.ts'

/** Calls `onOver` once: at the end, on a failure, when the reader stops, or when `signal` aborts. */
export function trackedBody(body: MessageBody, signal: AbortSignal, onOver: () => void): MessageBody {
  let over = false
  const finish = (): void => {
    if (over) return
    over = true
    signal.removeEventListener('abort', finish)
    onOver()
  }
  signal.addEventListener('abort', finish, { once: true })
  if (signal.aborted) finish()
  return {
    [Symbol.asyncIterator]: () => {
      const inner = body[Symbol.asyncIterator]()
      return {
        next: async () => {
          try {
            const result = await inner.next()
            if (result.done === true) finish()
            return result
          } catch (error) {
            finish()
            throw error
          }
        },
        return: async () => {
          finish()
          return (await inner.return?.()) ?? { done: true, value: undefined }
        },
      }
    },
  }
}
