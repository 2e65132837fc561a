/** A gateway's answer on its way out through a Node response. */
import type { ServerResponse } from 'node:http'
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { HeaderPairs, Reply } from '../../gateway/inbound.ts'
import type { Clock } from '../../ports/clock.ts'

/** `common` headers go out with every answer: the request id, CORS. */
export class HttpReply implements Reply {
  readonly #clock: Clock
  readonly #response: ServerResponse
  readonly #common: HeaderPairs

  constructor({ clock }: { readonly clock: Clock }, response: ServerResponse, common: HeaderPairs) {
    this.#clock = clock
    this.#response = response
    this.#common = common
  }

  get started(): boolean {
    return this.#response.headersSent
  }

  whole(status: number, headers: HeaderPairs, body: Uint8Array): void {
    if (this.#response.destroyed) return
    this.#response.writeHead(status, [...headers, ...this.#common, 'content-length', String(body.length)])
    this.#response.end(body)
  }

  head(status: number, headers: HeaderPairs): void {
    if (this.#response.destroyed) return
    this.#response.writeHead(status, [...headers, ...this.#common])
  }

  write(bytes: Uint8Array): boolean {
    if (this.#response.destroyed) return true
    return this.#response.write(bytes)
  }

  drained(): Promise<void> {
    const response = this.#response
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        timer.cancel()
        response.off('drain', onDrain).off('close', onClose)
        act()
      }
      const onDrain = (): void => settle(resolve)
      const onClose = (): void =>
        settle(() => reject(new HeddleError('client_closed', 'the client closed the connection')))
      const timer = this.#clock.after(limit('drainTimeoutMs'), () => {
        settle(() => reject(new HeddleError('client_closed', 'the client took nothing for too long')))
        response.destroy()
      })
      response.on('drain', onDrain).on('close', onClose)
    })
  }

  end(bytes: Uint8Array): void {
    if (!this.#response.destroyed) this.#response.end(bytes)
  }
}
