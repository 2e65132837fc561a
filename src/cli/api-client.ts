/** The admin API of a node as commands call it. */
import type { IncomingMessage } from 'node:http'
import { ERROR_CODES, type ErrorCode, HeddleError } from '../core/errors.ts'
import { httpCall, linesOf, textOf } from './http-call.ts'

export interface NodeAddress {
  /** Without a trailing slash, e.g. `http://127.0.0.1:11440`. */
  readonly url: string
  /** Undefined where no key is known: the node then says what it needs. */
  readonly key: string | undefined
  /** The key for `/v1`; the same one unless the node is this machine's own. */
  readonly inferenceKey: string | undefined
  /** Undefined where `--host` named the node. */
  readonly pid: number | undefined
}

/** A document of the API, told apart by its `schema`. */
export interface Document {
  readonly schema: string
}

interface Cancellable {
  readonly signal: AbortSignal
}

/** An ordinary call answers within this; pulls, logs and inference have their own time. */
const CALL_TIMEOUT_MS = 30_000

export class ApiClient {
  readonly address: NodeAddress

  constructor(address: NodeAddress) {
    this.address = address
  }

  /** `GET`, refusing a document of another schema than the one this version reads. */
  async document<T extends Document>(path: string, schema: T['schema'], options: Cancellable): Promise<T> {
    const document = await this.call<T>('GET', path, undefined, options)
    if (document.schema === schema) return document
    throw new HeddleError('conflict', `the node answers "${document.schema}" where this version reads "${schema}"`, {
      fix: 'heddle version --all',
    })
  }

  async call<T>(method: 'GET' | 'POST' | 'DELETE', path: string, body: unknown, { signal }: Cancellable): Promise<T> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(CALL_TIMEOUT_MS)])
    try {
      const answer = await this.open(method, path, body, { signal: bounded })
      const text = await textOf(answer, { signal: bounded })
      return parseJson(text) as T
    } catch (error) {
      signal.throwIfAborted()
      if (bounded.aborted)
        throw new HeddleError('timeout', `the node did not answer within ${CALL_TIMEOUT_MS / 1_000} s`)
      throw error
    }
  }

  /** The values of an NDJSON answer as they come. */
  async *values<T>(method: 'GET' | 'POST', path: string, body: unknown, options: Cancellable): AsyncGenerator<T> {
    const answer = await this.open(method, path, body, options)
    for await (const line of linesOf(answer, options)) if (line.trim() !== '') yield parseJson(line) as T
  }

  /** Resolves with an answer of 2xx; anything else is thrown as the error it carries. */
  async open(
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body: unknown,
    { signal }: Cancellable,
  ): Promise<IncomingMessage> {
    const { url, key, inferenceKey } = this.address
    const call = { method, url: url + path, key: path.startsWith('/v1/') ? inferenceKey : key, body, signal }
    const answer = await httpCall(call).catch((error: unknown) => {
      if (this.address.pid === undefined || !(error instanceof HeddleError) || error.code !== 'daemon_down') throw error
      // Its file says that it runs here: it was killed, or it is only about to listen.
      throw new HeddleError('daemon_down', error.message, { ...error.details, fix: 'heddle up' })
    })
    const status = answer.statusCode ?? 0
    if (status >= 200 && status < 300) return answer
    throw apiError(status, await textOf(answer, { signal }))
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new HeddleError('upstream_failed', 'what answers there is no heddle node', { cause, fix: 'heddle status' })
  }
}

interface WireError {
  readonly message?: unknown
  readonly code?: unknown
  readonly param?: unknown
  readonly metadata?: { readonly fix?: unknown } | undefined
}

/** The error that an answer outside 2xx carries, or one that says that it carries none. */
export function apiError(status: number, text: string): HeddleError {
  let error: WireError | undefined
  try {
    error = (JSON.parse(text) as { error?: WireError }).error
  } catch {
    // Not JSON: a proxy or another program answers; said below.
  }
  if (typeof error?.message !== 'string') {
    return new HeddleError('upstream_failed', `what answers there is no heddle node (HTTP ${status})`, {
      fix: 'heddle status',
    })
  }
  return wireError(error)
}

/** An error object of the API as the error it was. */
export function wireError({ message, code, param, metadata }: WireError): HeddleError {
  const known = typeof code === 'string' ? parseErrorCode(code) : undefined
  const text = typeof message === 'string' ? message : 'the node gave no reason'
  return new HeddleError(known ?? 'upstream_failed', known ? text : `${text} (${String(code)})`, {
    param: typeof param === 'string' ? param : undefined,
    fix: typeof metadata?.fix === 'string' ? metadata.fix : known === 'invalid_api_key' ? 'heddle status' : undefined,
  })
}

/** A code of the table; a newer node may know others. */
export function parseErrorCode(text: string): ErrorCode | undefined {
  return Object.hasOwn(ERROR_CODES, text) ? (text as ErrorCode) : undefined
}
