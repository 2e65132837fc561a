/** Token counts as OpenAI's bodies give them. */

export interface Usage {
  readonly inputTokens: number
  readonly outputTokens: number
}

/** Reads an untrusted `usage` object; undefined where it has no counts. */
export function parseUsage(value: unknown): Usage | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { prompt_tokens: input, completion_tokens: output } = value as Record<string, unknown>
  if (!isCount(input)) return undefined
  return { inputTokens: input, outputTokens: isCount(output) ? output : 0 }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}
