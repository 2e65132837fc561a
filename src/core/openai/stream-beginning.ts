/** How far a stream has begun: most runtimes start with a delta that only names the role, which is no answer yet. */

/** `garbage` is data that is no JSON object: such a runtime is not worth waiting for. */
export type Beginning = 'nothing' | 'something' | 'garbage'

/** @param text whole events as they came */
export function beginningOf(text: string): Beginning {
  // One line at a time: all but the first few of a long text are never looked at.
  for (const [line] of text.matchAll(/[^\r\n]+/g)) {
    if (!line.startsWith('data:')) continue
    const event = parse(line.slice('data:'.length))
    if (event === undefined) return 'garbage'
    if (eventSaysSomething(event)) return 'something'
  }
  return 'nothing'
}

function eventSaysSomething(event: Record<string, unknown>): boolean {
  const { choices } = event
  if (!Array.isArray(choices)) return true
  return choices.some((choice: unknown) => {
    if (!isRecord(choice)) return true
    return (
      isFilled(choice['text']) || typeof choice['finish_reason'] === 'string' || deltaSaysSomething(choice['delta'])
    )
  })
}

/** Anything but the role counts: content, reasoning, a refusal, a tool call. */
function deltaSaysSomething(delta: unknown): boolean {
  return isRecord(delta) && Object.entries(delta).some(([name, value]) => name !== 'role' && isFilled(value))
}

function isFilled(value: unknown): boolean {
  if (typeof value === 'string' || Array.isArray(value)) return value.length > 0
  return value !== null && value !== undefined
}

function parse(data: string): Record<string, unknown> | undefined {
  try {
    const json: unknown = JSON.parse(data)
    return isRecord(json) ? json : undefined
  } catch {
    return undefined
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
