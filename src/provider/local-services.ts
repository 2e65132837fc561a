/** The generic HTTP services of this node, by name and instance. `llm` is not among them: the runtimes are. */
import { HeddleError } from '../core/errors.ts'
import { Listeners } from '../core/listeners.ts'
import type { MessageRequest, MessageResponse } from '../core/message.ts'
import type { RouteTarget } from '../core/routing/candidate.ts'
import type { ServiceDefinition } from '../core/routing/service-definition.ts'
import type { Clock } from '../ports/clock.ts'
import type { SendOptions } from '../ports/connector.ts'
import type { OpenForwarder } from '../ports/service-forwarder.ts'
import { LocalService } from './local-service.ts'

export interface LocalServicesDeps {
  readonly clock: Clock
  readonly open: OpenForwarder
}

export interface AddedService {
  readonly service: LocalService
  /** Never rejects. */
  readonly firstCheck: Promise<void>
}

/** Owns the services added to it: disposing it disposes them. */
export class LocalServices implements AsyncDisposable {
  readonly #deps: LocalServicesDeps
  readonly #services = new Map<string, LocalService>()
  readonly #listeners = new Listeners<[what: 'load' | 'description']>()

  constructor(deps: LocalServicesDeps) {
    this.#deps = deps
  }

  /** Begins to check and offer a service. @throws HeddleError `conflict`, or `invalid_request` for its URL */
  add(definition: ServiceDefinition): AddedService {
    const key = keyOf(definition.name, definition.instance)
    if (this.#services.has(key))
      throw new HeddleError('conflict', `there is a service "${key}" already`, { fix: 'heddle services ls' })
    const { url, healthPath } = definition
    const forwarder = this.#deps.open({ url, healthPath })
    const service = new LocalService(
      { clock: this.#deps.clock, forwarder, onChange: (what) => this.#listeners.tell(what) },
      definition,
    )
    this.#services.set(key, service)
    const firstCheck = service.start()
    this.#listeners.tell('description')
    return { service, firstCheck }
  }

  /** Stops offering a service; false where there is none such. */
  async remove(name: string, instance: string): Promise<boolean> {
    const key = keyOf(name, instance)
    const service = this.#services.get(key)
    if (service === undefined) return false
    this.#services.delete(key)
    this.#listeners.tell('description')
    await service[Symbol.asyncDispose]()
    return true
  }

  get(name: string, instance: string): LocalService | undefined {
    return this.#services.get(keyOf(name, instance))
  }

  /** In the order in which they were added. */
  all(): readonly LocalService[] {
    return [...this.#services.values()]
  }

  named(name: string): readonly LocalService[] {
    return this.all().filter(({ definition }) => definition.name === name)
  }

  send(target: Pick<RouteTarget, 'runtime'>, request: MessageRequest, options: SendOptions): Promise<MessageResponse> {
    const service = this.get(request.service, target.runtime)
    if (service === undefined)
      return Promise.reject(new HeddleError('runtime_unavailable', `the service "${request.service}" was removed`))
    return service.send(request, options)
  }

  /** Calls `listener` after a service came, went or changed its state, and after in-flight numbers changed. The result stops that. */
  onChange(listener: (what: 'load' | 'description') => void): () => void {
    return this.#listeners.add(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all().map(({ definition: { name, instance } }) => this.remove(name, instance)))
  }
}

function keyOf(name: string, instance: string): string {
  return `${name}/${instance}`
}
