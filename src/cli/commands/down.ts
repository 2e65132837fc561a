/** `heddle down`: stops the node of this machine and waits until it has ended. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HeddleError } from '../../core/errors.ts'
import { durationText } from '../amounts.ts'
import type { ApiClient } from '../api-client.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { isAlive } from '../find-node.ts'
import { durationOption } from '../option-values.ts'

const LOOK_EVERY_MS = 50

export async function down(
  context: Context,
  options: { readonly now?: boolean; readonly wait: string },
): Promise<ExitCode> {
  const waitMs = durationOption('--wait', options.wait)
  const node = await runningNode(context)
  if (node === undefined) {
    if (context.json) context.document({ schema: 'heddle.down/v1', stopped: false, pid: null })
    else context.terminal.note('no node is running')
    return EXIT.ok
  }
  const { pid } = node.address
  if (pid === undefined) throw new HeddleError('usage', 'down stops the node of this machine; --host names another')
  await node.call('POST', '/api/v1/shutdown', { now: options.now === true }, { signal: context.signal })
  const giveUp = AbortSignal.timeout(waitMs)
  while (isAlive(pid)) {
    if (giveUp.aborted) {
      throw new HeddleError('timeout', `the node (pid ${pid}) still runs after ${durationText(waitMs)}`, {
        fix: 'heddle down --now',
      })
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal: context.signal }).catch(() => context.signal.throwIfAborted())
  }
  if (context.json) context.document({ schema: 'heddle.down/v1', stopped: true, pid })
  else context.terminal.line(`stopped the node (pid ${pid})`)
  return EXIT.ok
}

async function runningNode(context: Context): Promise<ApiClient | undefined> {
  try {
    const node = await context.node()
    // The file may be a dead node's, and its process id somebody else's by now.
    await node.call('GET', '/api/v1/version', undefined, { signal: context.signal })
    return node
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'daemon_down') return undefined
    throw error
  }
}
