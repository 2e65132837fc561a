/** The HTTP server of the engine process: three endpoints, on a socket that only the parent can reach. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { HeddleError, heddleErrorOf } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'
import { answerEmbeddings } from './embeddings.ts'
import { type Exchange, exchangeOf, readBody, sendError } from './exchange.ts'
import { type Body, wrongField } from './fields.ts'
import { answerChat, answerCompletion } from './inference.ts'
import type { LoadedModel } from './loaded-model.ts'
import type { ModelPool } from './model-pool.ts'

type Answer = (loaded: LoadedModel, body: Body, exchange: Exchange) => Promise<void>

const ENDPOINTS: ReadonlyMap<string, Answer> = new Map([
  ['/v1/chat/completions', answerChat],
  ['/v1/completions', answerCompletion],
  ['/v1/embeddings', answerEmbeddings],
])

export function engineServer({ pool }: { readonly pool: ModelPool }): Server {
  const server = createServer({ maxHeaderSize: limit('headerBytes') }, (request, response) => {
    void serve({ pool }, request, response)
  })
  // The only client is the parent, which closes connections itself; a close from here could meet its next request.
  server.keepAliveTimeout = 0
  server.requestTimeout = 0
  server.headersTimeout = 0
  return server
}

async function serve(
  { pool }: { readonly pool: ModelPool },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const exchange = exchangeOf(request, response)
  try {
    const answer = ENDPOINTS.get(request.url?.split('?', 1)[0] ?? '')
    if (answer === undefined) throw new HeddleError('not_found', 'this runtime has no such path')
    if (request.method !== 'POST') throw new HeddleError('method_not_allowed', 'only POST is answered here')
    const body = await readBody(request)
    if (typeof body.model !== 'string') throw wrongField('model', 'a string')
    using lease = await pool.lend(body.model, { signal: exchange.signal })
    await answer(lease.loaded, body, exchange)
  } catch (error) {
    // Nobody is left to tell.
    if (exchange.signal.aborted || response.headersSent) response.destroy()
    else sendError(response, heddleErrorOf(error))
  }
}
