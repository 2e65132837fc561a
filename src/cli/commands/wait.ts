/** `heddle wait`: returns once the node can answer; exit 12 when it takes too long. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HeddleError, heddleErrorOf } from '../../core/errors.ts'
import type { Status } from '../../core/wire/admin.ts'
import type { ModelView } from '../../core/wire/admin-models.ts'
import { durationText } from '../amounts.ts'
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
  const model = /^model=(.+)$/.exec(options.for)?.[1]
  if (model === undefined && options.for !== 'ready') {
    throw new HeddleError('usage', `--for takes "ready" or "model=<id>"; got "${options.for}"`, { param: '--for' })
  }
  const giveUp = AbortSignal.timeout(timeoutMs)
  let missing = 'no node is running'
  while (!giveUp.aborted) {
    const found = await lookOnce(context, model).catch((error: unknown) => reasonToWait(error))
    if (found === undefined) {
      if (context.json) context.document({ schema: 'heddle.wait/v1', for: options.for, ready: true })
      return EXIT.ok
    }
    missing = found
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted())
  }
  throw new HeddleError('timeout', `not ready after ${durationText(timeoutMs)}: ${missing}`, { fix: 'heddle status' })
}

/** What is missing still; undefined when nothing is. */
async function lookOnce(context: Context, model: string | undefined): Promise<string | undefined> {
  const node = await context.node()
  return model === undefined ? readiness(node, context) : modelReadiness(node, model, context)
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

/** Time mends these; anything else ends the waiting. */
function reasonToWait(error: unknown): string {
  const { code, message } = heddleErrorOf(error)
  if (code === 'daemon_down' || code === 'model_not_found' || code === 'draining') return message
  throw error
}
