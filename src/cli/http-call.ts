/** One HTTP exchange with a node. Node's own client: it loads in a fraction of the time of the others, and one request needs no pool. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { HeddleError } from '../core/errors.ts'

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly url: string
  readonly key: string | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  readonly signal: AbortSignal
}

/** Resolves when the head of the answer is there; whoever called reads the body. */
export async function httpCall({ method, url, key, body, signal }: HttpCall): Promise<IncomingMessage> {
  signal.throwIfAborted()
  const target = new URL(url)
  const open = target.protocol === 'https:' ? (await import('node:https')).request : httpRequest
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const request = open(target, {
      method,
      signal,
      agent: false,
      headers: {
        accept: 'application/json',
        'user-agent': 'heddle-cli',
        ...(key === undefined ? {} : { authorization: `Bearer ${key}` }),
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      },
    })
    request.on('response', resolve)
    request.on('error', (cause) => reject(signal.aborted ? signal.reason : failureOf(cause, target)))
    request.end(text)
  })
}

function failureOf(cause: Error, { origin }: URL): HeddleError {
  return new HeddleError('daemon_down', `no node answers at ${origin}`, { cause })
}

/** The whole body as text. */
export async function textOf(answer: IncomingMessage, { signal }: { readonly signal: AbortSignal }): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of answer) chunks.push(chunk as Buffer)
  } catch (cause) {
    signal.throwIfAborted()
    throw new HeddleError('upstream_interrupted', 'the answer broke off', { cause })
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The lines of a body as they come. */
export async function* linesOf(
  answer: IncomingMessage,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<string> {
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of answer) {
      const lines = (rest + decoder.decode(chunk as Buffer, { stream: true })).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
    }
  } catch (cause) {
    signal.throwIfAborted()
    throw new HeddleError('upstream_interrupted', 'the answer broke off', { cause })
  }
  if (rest !== '') yield rest
}
