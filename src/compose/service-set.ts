/** The HTTP services that an operator added to this node: kept, brought up again at each start, and shown with those of others. */
import { HeddleError } from '../core/errors.ts'
import { limit } from '../core/limits.ts'
import { nearNames } from '../core/routing/near-names.ts'
import type { ServiceCandidate } from '../core/routing/service-candidate.ts'
import { checkServiceDefinition, type ServiceDefinition } from '../core/routing/service-definition.ts'
import type {
  AddService,
  RemovedService,
  ServiceInstanceView,
  ServiceList,
  ServiceTest,
  ServiceView,
  TestService,
} from '../core/wire/admin-services.ts'
import type { Cancellable, ServiceAdmin } from '../http/admin/deps.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { OpenForwarder } from '../ports/service-forwarder.ts'
import type { ServiceStore } from '../ports/service-store.ts'
import type { LocalService } from '../provider/local-service.ts'
import type { LocalServices } from '../provider/local-services.ts'

export interface ServiceSetDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly services: LocalServices
  readonly store: ServiceStore
  readonly open: OpenForwarder
  /** The URL in the form in which it is kept and shown. @throws HeddleError `invalid_request` */
  readonly plainUrl: (text: string) => string
}

export interface OpenOptions {
  /** Of this node's own gateway: a service there would ask itself. */
  readonly ownUrl: string
  /** Instances on other nodes, as they are known when asked. */
  readonly others: () => readonly ServiceCandidate[]
}

/** With one runtime they fill the record of a node. */
const MOST_SERVICES = limit('recordServices') - 1
const LOOPBACK = /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/

export class ServiceSet implements ServiceAdmin {
  readonly #deps: ServiceSetDeps
  #options: OpenOptions = { ownUrl: '', others: () => [] }

  constructor(deps: ServiceSetDeps) {
    this.#deps = deps
  }

  /** Brings up what the store names; returns before the services have answered. */
  async open(options: OpenOptions): Promise<void> {
    this.#options = options
    const { services, store, log } = this.#deps
    for (const stored of await store.list()) {
      try {
        services.add(stored)
      } catch (error) {
        log.warn({ service: stored.name, instance: stored.instance, err: error }, 'a service was left out')
      }
    }
  }

  list(): ServiceList {
    const others = this.#options.others()
    const shown = others.slice(0, limit('listedInstances'))
    return {
      schema: 'heddle.services/v1',
      services: this.#deps.services.all().map((service) => this.#view(service)),
      others: shown.map(instanceView),
      omitted: others.length - shown.length,
    }
  }

  async add(request: AddService, { signal }: Cancellable): Promise<ServiceView> {
    const { services, store, clock } = this.#deps
    const url = this.#url(request.url)
    const instance = request.instance ?? this.#freeInstance(request.name)
    const { name, groups, capacity, paths, healthPath } = request
    const definition = {
      name,
      instance,
      url,
      groups: [...new Set(groups)],
      capacity,
      paths: [...new Set(paths)],
      healthPath,
    }
    checkServiceDefinition(definition)
    this.#checkRoom(definition)
    const { service, firstCheck } = services.add(definition)
    await store.put({ ...definition, addedAt: clock.now() })
    await firstCheck
    signal.throwIfAborted()
    return this.#view(service)
  }

  async test(request: TestService, { signal }: Cancellable): Promise<ServiceTest> {
    const { healthPath, url } = 'url' in request ? request : this.#find(request.name, request.instance).definition
    await using forwarder = this.#deps.open({ url: this.#url(url), healthPath })
    const { clock } = this.#deps
    const startedAt = clock.monotonic()
    const late = new AbortController()
    using _deadline = clock.after(limit('healthTimeoutMs'), () =>
      late.abort(new HeddleError('timeout', `it did not answer within ${limit('healthTimeoutMs')} ms`)),
    )
    const outcome = await forwarder.check({ signal: AbortSignal.any([signal, late.signal]) }).then(
      () => ({ ok: true, detail: `${this.#url(url)} answers` }),
      (error: unknown) => ({ ok: false, detail: error instanceof Error ? error.message : String(error) }),
    )
    signal.throwIfAborted()
    return { ...outcome, durationMs: clock.monotonic() - startedAt }
  }

  async remove(name: string, instance: string | undefined): Promise<RemovedService> {
    const { definition } = this.#find(name, instance)
    await this.#deps.store.remove(definition.name, definition.instance)
    await this.#deps.services.remove(definition.name, definition.instance)
    return { name: definition.name, instance: definition.instance, removed: true }
  }

  #url(text: string): string {
    const url = this.#deps.plainUrl(text)
    if (isSamePlace(url, this.#options.ownUrl)) {
      throw new HeddleError('invalid_request', 'that is this node itself; its models are the service "llm" already', {
        param: 'url',
      })
    }
    return url
  }

  #checkRoom({ name, url }: ServiceDefinition): void {
    const all = this.#deps.services.all()
    const same = all.find(({ definition }) => definition.name === name && definition.url === url)
    if (same !== undefined) {
      throw new HeddleError('conflict', `"${name}" at this URL is there already, as ${idOf(same.definition)}`, {
        fix: `heddle services rm ${idOf(same.definition)}`,
      })
    }
    if (all.length >= MOST_SERVICES) {
      throw new HeddleError('conflict', `a node has at most ${MOST_SERVICES} services besides its models`, {
        fix: 'heddle services ls',
      })
    }
  }

  #freeInstance(name: string): string {
    const { services } = this.#deps
    for (let number = 1; ; number += 1) {
      const instance = number === 1 ? name : `${name}-${number}`
      if (services.get(name, instance) === undefined) return instance
    }
  }

  /** The one that is meant; without an instance the only one of its name. */
  #find(name: string, instance: string | undefined): LocalService {
    const { services } = this.#deps
    const named = services.named(name)
    const found = instance === undefined ? named : named.filter(({ definition }) => definition.instance === instance)
    const [only] = found
    if (only === undefined) throw this.#unknown(instance === undefined ? name : `${name}/${instance}`, name)
    if (found.length === 1) return only
    throw new HeddleError('invalid_request', `there are ${found.length} instances of "${name}"; say which`, {
      fix: found.map(({ definition }) => idOf(definition)).join(' or '),
    })
  }

  #unknown(id: string, name: string): HeddleError {
    const names = [...new Set(this.#deps.services.all().map(({ definition }) => definition.name))]
    const near = nearNames(name, names)
    const hint = near.length > 0 ? `; did you mean ${near.map((each) => `"${each}"`).join(' or ')}?` : ''
    return new HeddleError('not_found', `this node has no service "${id}"${hint}`, { fix: 'heddle services ls' })
  }

  #view({ definition, snapshot, inFlight }: LocalService): ServiceView {
    return {
      name: definition.name,
      instance: definition.instance,
      url: definition.url,
      groups: [...definition.groups],
      state: snapshot.state,
      reason: snapshot.reason,
      sinceMs: Math.max(0, this.#deps.clock.now() - snapshot.since),
      inFlight,
      capacity: definition.capacity,
      paths: [...definition.paths],
      healthPath: definition.healthPath ?? null,
    }
  }
}

function idOf({ name, instance }: ServiceDefinition): string {
  return name === instance ? name : `${name}/${instance}`
}

function instanceView(candidate: ServiceCandidate): ServiceInstanceView {
  const { service, runtime, node, nodeName, connector, groups, state, reason, inFlight, capacity } = candidate
  return {
    service,
    instance: runtime,
    node,
    nodeName,
    connector,
    groups: [...groups],
    state,
    reason,
    inFlight,
    capacity,
  }
}

function isSamePlace(url: string, ownUrl: string): boolean {
  const own = URL.parse(ownUrl)
  const other = URL.parse(url)
  if (own === null || other === null || own.port !== other.port) return false
  return (
    own.hostname === other.hostname ||
    (LOOPBACK.test(other.hostname) &&
      (LOOPBACK.test(own.hostname) || own.hostname === '0.0.0.0' || own.hostname === '[::]'))
  )
}
