/** `POST` and `DELETE /v1/dnt/_node`: services offered and taken back in OCF's words, kept as those of `heddle services` and `heddle runtimes`. */
import { HeddleError } from '../core/errors.ts'
import { AddService } from '../core/wire/admin-services.ts'
import type { OcfRegistration } from '../core/wire/ocf.ts'
import type { Cancellable, RuntimeAdmin, ServiceAdmin } from '../http/admin/deps.ts'
import type { OcfNodeAdmin } from '../http/ocf/deps.ts'

export interface OcfNodeAdminDeps {
  readonly services: Pick<ServiceAdmin, 'list' | 'add' | 'remove'>
  readonly runtimes: Pick<RuntimeAdmin, 'list' | 'add' | 'remove'>
}

type TakeBack = (options: Cancellable) => Promise<void>

const LLM = 'llm'
const HOST = /^([A-Za-z0-9._-]+|\[?[0-9a-fA-F:]+\]?)$/

/** Forgets at a restart which services came this way, and keeps the services. */
export class OcfRegistrations implements OcfNodeAdmin {
  readonly #deps: OcfNodeAdminDeps
  /** What takes each of them back, by name and address. */
  readonly #registered = new Map<string, TakeBack>()

  constructor(deps: OcfNodeAdminDeps) {
    this.#deps = deps
  }

  /** Registering the same again replaces it: OCF's nodes do so each time that they join. */
  async register({ service: services }: OcfRegistration, options: Cancellable): Promise<void> {
    for (const { name, host, port, identity_group: groups } of services) {
      const url = urlOf(host, port)
      const key = `${name} ${url}`
      await this.#registered.get(key)?.(options)
      this.#registered.delete(key)
      const takeBack =
        name === LLM
          ? await this.#registerRuntime(url, options)
          : await this.#registerService(name, url, groups, options)
      this.#registered.set(key, takeBack)
    }
  }

  async withdraw(options: Cancellable): Promise<void> {
    for (const [key, takeBack] of this.#registered) {
      await takeBack(options)
      this.#registered.delete(key)
    }
  }

  async #registerRuntime(url: string, options: Cancellable): Promise<TakeBack> {
    const { runtimes } = this.#deps
    const spec = `openai:${url}`
    // One that is here already belongs to whoever added it.
    if (runtimes.list().some(({ id }) => id === spec)) return async () => undefined
    const { id } = await runtimes.add({ spec }, options)
    return (later) => unlessGone(runtimes.remove(id, later))
  }

  async #registerService(
    name: string,
    url: string,
    groups: OcfRegistration['service'][number]['identity_group'],
    options: Cancellable,
  ): Promise<TakeBack> {
    const { services } = this.#deps
    const before = services.list().services.find((service) => service.name === name && service.url === url)
    const wanted = { name, url, groups: groups ?? [] }
    const parsed = AddService.safeParse(
      before === undefined
        ? wanted
        : {
            ...wanted,
            instance: before.instance,
            capacity: before.capacity,
            paths: before.paths,
            healthPath: before.healthPath ?? undefined,
          },
    )
    if (!parsed.success) {
      const issue = parsed.error.issues[0]
      throw new HeddleError(
        'invalid_request',
        `service "${name}": ${issue?.message ?? 'not one that can be offered'}`,
        {
          param: 'service',
        },
      )
    }
    if (before !== undefined) await services.remove(name, before.instance, options)
    const { instance } = await services.add(parsed.data, options)
    return (later) => unlessGone(services.remove(name, instance, later))
  }
}

/** Somebody may have removed it by hand. */
async function unlessGone(removal: Promise<unknown>): Promise<void> {
  try {
    await removal
  } catch (error) {
    if (!(error instanceof HeddleError) || error.code !== 'not_found') throw error
  }
}

function urlOf(host: string, port: string): string {
  if (!HOST.test(host))
    throw new HeddleError('invalid_request', 'the host of a service is a name or an address', { param: 'service' })
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return `http://${name}:${port}`
}
