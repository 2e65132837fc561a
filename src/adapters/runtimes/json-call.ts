/** Small JSON calls to a runtime besides inference: health, model lists, facts. Bounded in time and size, with reasons for people. */
import { HeddleError } from '../../core/errors.ts'
import { asRequestId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageHeaders } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'
import { exchange, readWhole } from './http-exchange.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamUrl } from './upstream-url.ts'

export interface JsonCallDeps {
  readonly dispatcher: Upstream
  readonly clock: Clock
}

export interface JsonCall {
  readonly url: UpstreamUrl
  /** Below the URL's prefix, e.g. `/v1/models`. */
  readonly path: string
  readonly method?: 'GET' | 'POST' | 'DELETE' | undefined
  readonly headers?: MessageHeaders | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  /** `LIMITS.healthTimeoutMs` by default. */
  readonly timeoutMs?: number | undefined
  readonly signal: AbortSignal
}

export interface JsonAnswer {
  readonly status: number
  readonly headers: MessageHeaders
  readonly text: string
}

/** Makes the call and reads the whole answer, whatever its status. Rejects with a HeddleError that says in words why there is none. */
export async function call({ dispatcher, clock }: JsonCallDeps, options: JsonCall): Promise<JsonAnswer> {
  const { url, path, signal, timeoutMs = limit('healthTimeoutMs') } = options
  const late = new AbortController()
  using _deadline = clock.after(timeoutMs, () => {
    late.abort(new HeddleError('timeout', `${url.text}${path} did not answer within ${timeoutMs} ms`))
  })
  try {
    const response = await exchange(
      { dispatcher },
      {
        id: asRequestId('health'),
        service: 'llm',
        method: options.method ?? 'GET',
        path,
        headers: options.body === undefined ? {} : { 'content-type': 'application/json' },
        body: options.body === undefined ? undefined : Buffer.from(JSON.stringify(options.body)),
      },
      {
        origin: url.origin,
        pathPrefix: url.pathPrefix,
        headers: options.headers,
        signal: AbortSignal.any([signal, late.signal]),
        headersTimeoutMs: timeoutMs,
        bodyTimeoutMs: timeoutMs,
      },
    )
    const bytes = await readWhole(response.body, limit('healthBodyBytes'))
    return { status: response.status, headers: response.headers, text: bytes.toString('utf8') }
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof HeddleError && error.code === 'runtime_unavailable') {
      throw new HeddleError('runtime_unavailable', `nothing answers at ${url.text}${reasonIn(error)}`, { cause: error })
    }
    if (error instanceof HeddleError && error.code !== 'timeout') {
      throw new HeddleError(error.code, `${url.text}${path}: ${error.message}`, { cause: error })
    }
    throw error
  }
}

/** The operating system's code in parentheses, where the message has one. */
function reasonIn(error: HeddleError): string {
  return / \([A-Z_0-9]+\)$/.exec(error.message)?.[0] ?? ''
}

/** The object in a successful answer; throws `upstream_failed` with a reason where there is none. */
export function objectIn(answer: JsonAnswer, where: string): Readonly<Record<string, unknown>> {
  const { status } = answer
  if (status >= 300 && status < 400)
    throw failed(`${where} redirects (HTTP ${status}); give the address that it redirects to`)
  if (status === 401 || status === 403) throw failed(`${where} refuses our key (HTTP ${status})`)
  if (status === 404)
    throw failed(`${where} is not there (HTTP 404); is this the base URL of an OpenAI-compatible server?`)
  if (status < 200 || status > 299) throw failed(`${where} answered HTTP ${status}`)
  let value: unknown
  try {
    value = JSON.parse(answer.text)
  } catch (cause) {
    const type = (answer.headers['content-type'] ?? '').split(';')[0]?.trim() ?? ''
    const what =
      type !== '' && type !== 'application/json' && /^[\w.+-]+\/[\w.+-]+$/.test(type) ? type : 'something else'
    throw new HeddleError('upstream_failed', `${where} answered ${what} instead of JSON`, { cause })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw failed(`${where} answered JSON that is no object`)
  return value as Readonly<Record<string, unknown>>
}

function failed(message: string): HeddleError {
  return new HeddleError('upstream_failed', message)
}
