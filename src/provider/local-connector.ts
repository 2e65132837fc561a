/** Requests to this node itself, in process: `llm` goes to the runtimes, every other service to its forwarder. */
import { HeddleError } from '../core/errors.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { RouteTarget } from '../core/routing/candidate.ts'
import type { Connector, SendOptions } from '../ports/connector.ts'
import type { LocalProvider } from './local-provider.ts'
import type { LocalServices } from './local-services.ts'
import { answerModels, MODELS_PATH } from './model-list.ts'

export const LLM = 'llm'

export interface LocalConnectorDeps {
  readonly provider: LocalProvider
  readonly services: LocalServices
}

/** Paths are taken as they are: whoever routes has checked them. */
export class LocalConnector implements Connector {
  readonly kind = 'local'
  readonly #deps: LocalConnectorDeps

  constructor(deps: LocalConnectorDeps) {
    this.#deps = deps
  }

  send(target: RouteTarget, request: MessageRequest, options: SendOptions): Promise<MessageResponse> {
    if (options.signal.aborted) return Promise.reject(options.signal.reason as Error)
    const { provider, services } = this.#deps
    if (request.service !== LLM) return services.send(target, request, options)
    if (request.method === 'POST') return provider.send(target, request, options)
    const path = request.path.split('?', 1)[0] ?? ''
    if (request.method === 'GET' && (path === MODELS_PATH || path.startsWith(`${MODELS_PATH}/`)))
      return Promise.resolve(answerModels(provider.all(), path))
    return Promise.reject(new HeddleError('not_found', `the service "llm" answers no ${request.method} ${path}`))
  }
}
