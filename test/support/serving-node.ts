/** A node that serves: scripted runtimes and services that are functions, on virtual time. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { MemoryForwarder, type Serve } from '../../src/adapters/memory/memory-forwarder.ts'
import { ScriptRuntime } from '../../src/adapters/runtimes/script.ts'
import type { ScriptOptions } from '../../src/adapters/runtimes/script-options.ts'
import { asNodeId, asRequestId, asRuntimeId, type NodeId } from '../../src/core/ids.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { ServiceDefinition } from '../../src/core/routing/service-definition.ts'
import { LocalConnector } from '../../src/provider/local-connector.ts'
import { LocalProvider } from '../../src/provider/local-provider.ts'
import { LocalServices } from '../../src/provider/local-services.ts'
import { NodeServices } from '../../src/provider/node-services.ts'
import { PublicRuntimeNames } from '../../src/provider/public-runtime-names.ts'
import { servePeer } from '../../src/provider/serve-peer.ts'
import { RecordingLogger } from './recording-logger.ts'

export class ServingNode implements AsyncDisposable {
  readonly id: NodeId
  readonly clock: MemoryClock
  readonly log = new RecordingLogger()
  readonly names = new PublicRuntimeNames({ secret: 'test' })
  readonly provider: LocalProvider
  readonly services: LocalServices
  readonly connector: LocalConnector
  readonly node: NodeServices
  /** By URL. */
  readonly forwarders = new Map<string, MemoryForwarder>()
  readonly #serving = new Map<string, Serve>()

  constructor({ name = 'server', clock = new MemoryClock() } = {}) {
    this.id = asNodeId(name)
    this.clock = clock
    const { log } = this
    const metrics = { runtimeState: () => undefined }
    this.provider = new LocalProvider({ log, metrics, onOffers: () => undefined }, { id: this.id, name })
    this.services = new LocalServices({
      clock,
      open: ({ url }) => {
        const forwarder = new MemoryForwarder(this.#serving.get(url) ?? (async () => Promise.reject(new Error('?'))))
        this.forwarders.set(url, forwarder)
        return forwarder
      },
    })
    this.connector = new LocalConnector({ provider: this.provider, services: this.services })
    this.node = new NodeServices(
      { provider: this.provider, services: this.services, names: this.names },
      { id: this.id, name },
    )
  }

  addRuntime(id: string, options: Partial<ScriptOptions> & { readonly model: string }): ScriptRuntime {
    const runtime = new ScriptRuntime({ clock: this.clock }, options, asRuntimeId(id))
    this.provider.add(runtime)
    return runtime
  }

  /** Resolves when the service has been found to be there. */
  async addService(serve: Serve, definition: Partial<ServiceDefinition> & { readonly name: string }): Promise<void> {
    const instance = definition.instance ?? definition.name
    const url = `http://10.0.0.5/${definition.name}/${instance}`
    this.#serving.set(url, serve)
    const whole = { groups: [], capacity: 4, paths: [], healthPath: undefined, url, ...definition, instance }
    await this.services.add(whole).firstCheck
  }

  /** Asks as a peer does. */
  ask(request: Partial<MessageRequest>, signal: AbortSignal = new AbortController().signal): Promise<MessageResponse> {
    const { provider, services, names, connector, id, log } = this
    const deps = { provider, services, names, connector, node: id, log }
    return servePeer(deps, asNodeId('peer'), requestTo(request), { signal })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.node[Symbol.dispose]()
    await this.services[Symbol.asyncDispose]()
    await this.provider[Symbol.asyncDispose]()
  }
}

/** A request with the rest made up. */
export function requestTo(request: Partial<MessageRequest>): MessageRequest {
  return {
    id: asRequestId('req_1'),
    service: 'llm',
    method: 'GET',
    path: '/',
    headers: {},
    body: undefined,
    ...request,
  }
}

export function chatRequest(model: string, fields: Readonly<Record<string, unknown>> = {}): Partial<MessageRequest> {
  return {
    method: 'POST',
    path: '/v1/chat/completions',
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], ...fields })),
  }
}

export async function bodyText(body: MessageBody): Promise<string> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

/** The code of an error body. */
export async function codeOf({ body }: MessageResponse): Promise<unknown> {
  const { error } = JSON.parse(await bodyText(body)) as { readonly error: { readonly code: unknown } }
  return error.code
}
