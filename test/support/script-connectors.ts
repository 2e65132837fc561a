/** A scripted runtime behind each kind of connector, on virtual time, for the contract of connectors. */
import { ScriptRuntime } from '../../src/adapters/runtimes/script.ts'
import type { ScriptOptions } from '../../src/adapters/runtimes/script-options.ts'
import { HeddleError } from '../../src/core/errors.ts'
import { asNodeId, asRuntimeId } from '../../src/core/ids.ts'
import { RUNTIME_HEADER } from '../../src/core/mesh/peer-headers.ts'
import type { MeshDeps } from '../../src/mesh/deps.ts'
import type { Clock } from '../../src/ports/clock.ts'
import { LocalProvider } from '../../src/provider/local-provider.ts'
import { CONTRACT_MODEL, type ConnectorScope } from '../contracts/connector.contract.ts'
import { Fabric, meshTarget } from './mesh-fabric.ts'
import { RecordingLogger } from './recording-logger.ts'

const RUNTIME = asRuntimeId('llama')

/** A provider of one scripted runtime, named as `meshTarget` names it. */
export function providerOf(clock: Clock, script: Partial<ScriptOptions>) {
  const runtime = new ScriptRuntime({ clock }, { ...script, model: CONTRACT_MODEL }, RUNTIME)
  const deps = { log: new RecordingLogger(), metrics: { runtimeState: () => undefined }, onOffers: () => undefined }
  const provider = new LocalProvider(deps, { id: asNodeId('provider'), name: 'provider' })
  provider.add(runtime)
  return { runtime, provider, remove: async () => void (await provider.remove(RUNTIME)) }
}

/** In process. */
export async function localScope(script: Partial<ScriptOptions>): Promise<ConnectorScope> {
  const fabric = new Fabric()
  const { runtime, provider, remove } = providerOf(fabric.clock, script)
  return {
    connector: provider,
    target: { node: asNodeId('provider'), connector: 'local', runtime: RUNTIME },
    runtime,
    remove,
    during: (promise) => fabric.during(promise),
    until: (condition) => fabric.until(condition),
    advance: (ms) => fabric.clock.advance(ms),
    [Symbol.asyncDispose]: () => provider[Symbol.asyncDispose](),
  }
}

/** What a node does with the requests of its peers, as far as this contract needs it. */
export function servedBy(provider: LocalProvider): MeshDeps['serve'] {
  return async (_from, request, { signal }) => {
    const name = request.headers[RUNTIME_HEADER]
    if (name === undefined) throw new HeddleError('invalid_request', 'no runtime is named')
    const target = { node: asNodeId('server'), connector: 'local' as const, runtime: asRuntimeId(name) }
    return provider.send(target, request, { signal })
  }
}

/** On another node, over a session between the two. */
export async function meshScope(script: Partial<ScriptOptions>): Promise<ConnectorScope> {
  const fabric = new Fabric({ conditions: { delayMs: 2, jitterMs: 1, pieceBytes: 3_000 } })
  const { runtime, provider, remove } = providerOf(fabric.clock, script)
  const asker = fabric.node('asker')
  const server = fabric.node('server', {
    serve: servedBy(provider),
  })
  return {
    connector: asker.connector,
    target: meshTarget(server.self),
    runtime,
    remove,
    during: (promise) => fabric.during(promise),
    until: (condition) => fabric.until(condition),
    advance: (ms) => fabric.clock.advance(ms),
    [Symbol.asyncDispose]: async () => {
      await Promise.all([asker, server, provider].map((each) => each[Symbol.asyncDispose]()))
    },
  }
}
