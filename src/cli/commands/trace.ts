/** `heddle trace`: the story of one request; never what was said. */
import type { RequestView } from '../../core/wire/admin-accounts.ts'
import { counted, durationText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../terminal.ts'

export async function trace(context: Context, id: string): Promise<ExitCode> {
  const node = await context.node()
  const path = `/api/v1/requests/${encodeURIComponent(id)}`
  const request = await node.call<RequestView>('GET', path, undefined, { signal: context.signal })
  if (context.json) context.document({ schema: 'heddle.request/v1', ...request })
  else for (const line of traceLines(request)) context.terminal.line(printable(line))
  return EXIT.ok
}

/** One line for each step, with the time since the request came. */
export function traceLines(request: RequestView): readonly string[] {
  const { id, at, endpoint, model, stream, status, outcome, durationMs, keyId, candidates, exclusions, attempts } =
    request
  const head = [endpoint, model, stream ? 'stream' : undefined, outcome, `HTTP ${status}`, durationText(durationMs)]
  const lines = [
    `${id}  ${head.filter((part) => part !== undefined).join(' · ')}`,
    `  ${at}  key ${keyId ?? 'none'}`,
    step(0, `routed: ${counted(candidates, 'candidate')}, ${exclusions.length} left out`),
    ...exclusions.map(({ runtime, node, reason }) => `${' '.repeat(STEP_WIDTH)}  ${runtime} on ${node}: ${reason}`),
  ]
  const steps: { readonly ms: number; readonly text: string }[] = []
  for (const [index, { runtime, node, connector, startedMs, endedMs, outcome: result }] of attempts.entries()) {
    steps.push({ ms: startedMs, text: `attempt ${index + 1}: sent to ${runtime} on ${node} (${connector})` })
    if (result !== 'ok') steps.push({ ms: endedMs, text: `attempt ${index + 1}: ${result}` })
  }
  if (request.firstByteMs !== null) steps.push({ ms: request.firstByteMs, text: 'first byte to the client' })
  // An attempt goes on after the first byte, so the steps are not in order by themselves.
  lines.push(...steps.toSorted((a, b) => a.ms - b.ms).map(({ ms, text }) => step(ms, text)))
  lines.push(step(durationMs, endText(request)))
  return lines
}

const STEP_WIDTH = 9

const step = (ms: number, text: string): string => `${durationText(ms).padStart(STEP_WIDTH)}  ${text}`

function endText({ outcome, finishReason, inputTokens, outputTokens, firstByteMs, durationMs }: RequestView): string {
  const parts = [
    outcome === 'ok' ? `finished${finishReason === null ? '' : ` "${finishReason}"`}` : `ended: ${outcome}`,
  ]
  if (inputTokens !== null) parts.push(`${counted(inputTokens, 'token')} in`)
  if (outputTokens !== null) {
    parts.push(`${counted(outputTokens, 'token')} out`)
    const spentMs = durationMs - (firstByteMs ?? 0)
    if (outputTokens > 1 && spentMs > 0) parts.push(`${((outputTokens * 1_000) / spentMs).toFixed(1)} tokens/s`)
  }
  return parts.join(' · ')
}
