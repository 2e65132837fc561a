/** A body that knows whether somebody began to read it: then it cannot be sent twice, unless it is whole. */
import type { MessageBody } from '../core/message.ts'

export class SentBody {
  readonly sent: Uint8Array | MessageBody
  #isTouched = false

  constructor(body: Uint8Array | MessageBody) {
    if (body instanceof Uint8Array) {
      this.sent = body
      return
    }
    this.sent = {
      [Symbol.asyncIterator]: () => {
        this.#isTouched = true
        return body[Symbol.asyncIterator]()
      },
    }
  }

  get isTouched(): boolean {
    return this.#isTouched
  }
}
