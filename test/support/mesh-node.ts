/** Nodes with a mesh, each a process of its own with a home of its own, that meet over loopback. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Status } from '../../src/core/wire/admin.ts'
import { type NodeProcess, type Place, startNodeProcess } from './node-process.ts'
import { waitUntil } from './wait-until.ts'

export interface MeshNode extends AsyncDisposable {
  readonly name: string
  readonly home: string
  /** The process that runs now. */
  readonly process: NodeProcess
  /** A multiaddr over TCP with its id. */
  readonly address: string
  status(): Promise<Status>
  /** The ids of the models that can be asked for here. */
  models(): Promise<readonly string[]>
  /** Ends it as a power cut does. */
  kill(): Promise<void>
  /** Starts it again in its home. */
  restart(env?: NodeJS.ProcessEnv): Promise<void>
}

export interface MeshNodeOptions {
  readonly name: string
  readonly runtimes?: string
  readonly bootstrap?: readonly string[]
  readonly env?: NodeJS.ProcessEnv
  /** This machine, unless it is another. */
  readonly place?: Place
}

/** Its runtime is one scripted model of its own name, unless `runtimes` says otherwise. Whoever called disposes it. */
export async function startMeshNode({
  name,
  runtimes,
  bootstrap = [],
  env,
  place,
}: MeshNodeOptions): Promise<MeshNode> {
  const home = await mkdtemp(join(tmpdir(), `heddle-mesh-${name}-`))
  const base = {
    HEDDLE_NAME: name,
    HEDDLE_MODE: 'node',
    HEDDLE_MESH_LISTEN: '127.0.0.1:0',
    HEDDLE_MESH_LAN: 'false',
    HEDDLE_BOOTSTRAP: bootstrap.join(','),
    HEDDLE_RUNTIMES: runtimes ?? `script:${name}?tokens=8`,
    ...env,
  }
  let running = await startNodeProcess(home, base, place)
  const status = async (): Promise<Status> => {
    const response = await running.get('/api/v1/status', running.adminKey)
    assert.equal(response.status, 200)
    return (await response.json()) as Status
  }
  const { mesh } = await status()
  const address = mesh.addresses.find((each) => /\/tcp\/\d+\/p2p\//.test(each))
  assert.ok(address, `no TCP address among ${mesh.addresses.join(' ')}`)
  return {
    name,
    home,
    get process() {
      return running
    },
    address,
    status,
    async models() {
      const { data } = (await (await running.get('/v1/models')).json()) as { readonly data: readonly { id: string }[] }
      return data.map(({ id }) => id).sort()
    },
    async kill() {
      await running[Symbol.asyncDispose]()
    },
    async restart(more) {
      await running[Symbol.asyncDispose]()
      running = await startNodeProcess(home, { ...base, ...more }, place)
    },
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await rm(home, { recursive: true, force: true })
    },
  }
}

/** Waits until `node` can be asked for exactly these models; how long that took in ms. */
export async function untilModels(node: MeshNode, models: readonly string[], timeoutMs = 15_000): Promise<number> {
  const wanted = [...models].sort().join()
  return await waitUntil(
    async () => (await node.models()).join() === wanted,
    `${node.name} to offer ${wanted}`,
    timeoutMs,
  )
}
