/** Newline-delimited JSON as it arrives. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { MessageBody } from '../../core/message.ts'

/** Each line's object; throws `upstream_failed` for a line that is none or is longer than an event may be. */
export async function* ndjson(body: MessageBody): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > limit('sseEventBytes'))
      throw new HeddleError('upstream_failed', 'the runtime sent a line without an end')
    for (const line of lines) if (line.trim() !== '') yield objectOf(line)
  }
  if (rest.trim() !== '') yield objectOf(rest)
}

function objectOf(line: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (cause) {
    throw new HeddleError('upstream_failed', 'the runtime sent a line that is not JSON', { cause })
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new HeddleError('upstream_failed', 'the runtime sent a line that is no JSON object')
}
