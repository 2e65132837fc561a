/** A service that is a function, for tests and simulation of those who forward to services. */
import { HeddleError } from '../../core/errors.ts'
import type { MessageBody, MessageHeaders, MessageRequest, MessageResponse } from '../../core/message.ts'
import { headersForService, headersFromService } from '../../core/routing/service-headers.ts'
import type { ForwardOptions, ServiceForwarder } from '../../ports/service-forwarder.ts'

/** A request as a service sees it. */
export interface ServiceCall {
  readonly method: string
  readonly path: string
  readonly headers: MessageHeaders
  readonly body: MessageBody
}

/** Throws where the service breaks off before it answers; a body that throws is cut. */
export type Serve = (call: ServiceCall) => Promise<MessageResponse>

export class MemoryForwarder implements ServiceForwarder {
  readonly #serve: Serve
  /** Whether somebody answers at all. */
  isUp = true
  #isClosed = false

  constructor(serve: Serve) {
    this.#serve = serve
  }

  async send(request: MessageRequest, { signal, onEnd }: ForwardOptions): Promise<MessageResponse> {
    try {
      signal.throwIfAborted()
      if (!this.isUp || this.#isClosed)
        throw new HeddleError('runtime_unavailable', 'the service cannot be reached (ECONNREFUSED)')
      const { method, path, body } = request
      const call = { method, path, headers: headersForService(request.headers), body: streamOf(body) }
      const response = await untilAborted(
        this.#serve(call).catch((cause: unknown) => {
          throw new HeddleError('upstream_failed', 'the service broke off before it answered', { cause })
        }),
        signal,
      )
      return { ...response, headers: headersFromService(response.headers), body: carried(response.body, signal, onEnd) }
    } catch (error) {
      onEnd()
      throw error
    }
  }

  async check(): Promise<void> {
    if (!this.isUp || this.#isClosed) throw new HeddleError('runtime_unavailable', 'nobody answers (ECONNREFUSED)')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
  }
}

async function* streamOf(body: MessageRequest['body']): AsyncGenerator<Uint8Array> {
  if (body instanceof Uint8Array) yield body
  else if (body !== undefined) yield* body
}

async function* carried(body: MessageBody, signal: AbortSignal, onEnd: () => void): AsyncGenerator<Uint8Array> {
  const source = body[Symbol.asyncIterator]()
  try {
    for (;;) {
      const result = await untilAborted(source.next(), signal)
      if (result.done === true) return
      yield result.value
    }
  } catch (cause) {
    signal.throwIfAborted()
    throw new HeddleError('upstream_interrupted', 'the service broke off its answer', { cause })
  } finally {
    // A source that hangs must not hang whoever left it.
    source.return?.().catch(() => undefined)
    onEnd()
  }
}

async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
