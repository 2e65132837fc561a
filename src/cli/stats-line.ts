/** The line after an answer: who gave it and how fast. */
import { counted, durationText } from './amounts.ts'
import type { ChatResult } from './chat.ts'

/** `tinychat · llama · TTFT 640 ms · 42 tok/s · 212 tokens`; unknown parts are left out. */
export function statsLine(model: string, result: ChatResult): string {
  const { runtime, firstTokenMs, totalMs, inputTokens, outputTokens } = result
  const parts = [model]
  if (runtime !== null) parts.push(runtime)
  if (firstTokenMs !== null) parts.push(`TTFT ${durationText(firstTokenMs)}`)
  const spentMs = totalMs - (firstTokenMs ?? 0)
  // The first token's time is the prompt's, so it is not counted as speed.
  if (outputTokens !== null && outputTokens > 1 && spentMs > 0)
    parts.push(`${(((outputTokens - 1) * 1_000) / spentMs).toFixed(1)} tok/s`)
  if (inputTokens !== null) parts.push(`${counted(inputTokens, 'token')} in`)
  if (outputTokens !== null) parts.push(`${counted(outputTokens, 'token')} out`)
  parts.push(durationText(totalMs))
  return parts.join(' · ')
}
