/** `heddle wait`: returns once the node can answer; exit 12 when it takes too long. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HeddleError, heddleErrorOf } from '../../core/errors.ts'
import type { Status } from '../../core/wire/admin.ts'
import type { NodeList } from '../../core/wire/admin-mesh.ts'
import type { ModelView } from '../../core/wire/admin-models.ts'
import { counted, durationText } from '../amounts.ts'
import type { ApiClient } from '../api-client.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { durationOption } from '../option-values.ts'

const LOOK_EVERY_MS = 100

export async function waitFor(
  context: Context,
  options: { readonly for: string; readonly timeout: string },
): Promise<ExitCode> {
  const timeoutMs = durationOption('--timeout', options.timeout)
  const look = lookFor(options.for)
  const giveUp = AbortSignal.timeout(timeoutMs)
  let missing = 'no node is running'
  while (!giveUp.aborted) {
    const found = await lookOnce(context, look).catch((error: unknown) => reasonToWait(error))
    if (found === undefined) {
      if (context.json) context.document({ schema: 'heddle.wait/v1', for: options.for, ready: true })
      return EXIT.ok
    }
    missing = found
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted())
  }
  throw new HeddleError('timeout', `not ready after ${durationText(timeoutMs)}: ${missing}`, { fix: 'heddle status' })
}

/** Says what is missing still; undefined when nothing is. */
type Look = (node: ApiClient, context: Context) => Promise<string | undefined>

function lookFor(what: string): Look {
  if (what === 'ready') return readiness
  const model = /^model=(.+)$/.exec(what)?.[1]
  if (model !== undefined) return (node, context) => modelReadiness(node, model, context)
  const nodes = /^nodes=([1-9]\d{0,4})$/.exec(what)?.[1]
  if (nodes !== undefined) return (node, context) => nodeReadiness(node, Number(nodes), context)
  throw new HeddleError('usage', `--for takes "ready", "model=<id>" or "nodes=<number>"; got "${what}"`, {
    param: '--for',
  })
}

async function lookOnce(context: Context, look: Look): Promise<string | undefined> {
  return look(await context.node(), context)
}

async function readiness(node: ApiClient, { signal }: Context): Promise<string | undefined> {
  const { models, runtimes } = await node.document<Status>('/api/v1/status', 'heddle.status/v1', { signal })
  if (models > 0) return undefined
  return (
    runtimes.map(({ id, state, reason }) => `${id} is ${state}${reason === '' ? '' : `: ${reason}`}`).join('; ') ||
    'it has no runtime'
  )
}

async function modelReadiness(node: ApiClient, id: string, { signal }: Context): Promise<string | undefined> {
  const path = `/api/v1/models/${encodeURIComponent(id)}`
  const { state } = await node.call<ModelView>('GET', path, undefined, { signal })
  return state === 'ready' ? undefined : `the model "${id}" is ${state}`
}

/** This node is one of them. */
async function nodeReadiness(node: ApiClient, wanted: number, { signal }: Context): Promise<string | undefined> {
  const { nodes } = await node.document<NodeList>('/api/v1/nodes', 'heddle.nodes/v1', { signal })
  const online = nodes.filter(({ state }) => state === 'online').length
  return online >= wanted ? undefined : `${counted(online, 'node is', 'nodes are')} online`
}

/** Time mends these; anything else ends the waiting. */
function reasonToWait(error: unknown): string {
  const { code, message } = heddleErrorOf(error)
  if (code === 'daemon_down' || code === 'model_not_found' || code === 'draining') return message
  throw error
}
