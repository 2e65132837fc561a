/** Tries a runtime step by step, so that a person sees where it fails. */
import { HeddleError, heddleErrorOf } from '../core/errors.ts'
import { asRequestId } from '../core/ids.ts'
import type { RuntimeTest } from '../core/wire/admin-models.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime } from '../ports/runtime.ts'

const WAIT_MS = 10_000
const LOOK_MS = 100

export interface TestDeps {
  readonly clock: Clock
}

/** Waits a while for the runtime to be ready, then looks at its models, then asks one of them for a token. */
export async function testRuntime(
  { clock }: TestDeps,
  runtime: Runtime,
  { signal }: { readonly signal: AbortSignal },
): Promise<RuntimeTest> {
  const steps: RuntimeTest['steps'] = []
  const step = async (name: string, act: () => Promise<string>): Promise<boolean> => {
    const startedAt = clock.monotonic()
    const result = await act().then(
      (detail) => ({ ok: true, detail }),
      (error: unknown) => ({ ok: false, detail: heddleErrorOf(error).message }),
    )
    steps.push({ name, ...result, durationMs: clock.monotonic() - startedAt })
    return result.ok
  }
  const models = (): string[] => runtime.snapshot().offers.map(({ id }) => id)
  const reached = await step('reach', () => untilReady(clock, runtime, signal))
  const listed = reached && (await step('models', () => listModels(models())))
  const ok = listed && (await step('answer', () => oneToken(clock, runtime, signal)))
  return { ok, steps, models: models() }
}

async function untilReady(clock: Clock, runtime: Runtime, signal: AbortSignal): Promise<string> {
  const giveUpAt = clock.monotonic() + WAIT_MS
  while (runtime.snapshot().state !== 'ready') {
    const { reason, state } = runtime.snapshot()
    if (clock.monotonic() > giveUpAt)
      throw new HeddleError('runtime_unavailable', reason === '' ? `it is ${state}` : reason)
    await clock.sleep(LOOK_MS, { signal })
  }
  return `${runtime.location} answers`
}

async function listModels(ids: readonly string[]): Promise<string> {
  if (ids.length === 0) throw new HeddleError('runtime_unavailable', 'it answers, but offers no models')
  return ids.length === 1 ? `offers ${ids[0]}` : `offers ${ids.length} models`
}

async function oneToken(clock: Clock, runtime: Runtime, signal: AbortSignal): Promise<string> {
  const offer = runtime.snapshot().offers.find(({ endpoints }) => endpoints.includes('chat'))
  if (offer === undefined) return 'not tried: none of its models chats'
  const startedAt = clock.monotonic()
  const body = { model: offer.id, messages: [{ role: 'user', content: 'Hello' }], max_tokens: 1 }
  const response = await runtime.send(
    {
      id: asRequestId('req_test'),
      service: 'llm',
      method: 'POST',
      path: '/v1/chat/completions',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(JSON.stringify(body)),
    },
    { signal },
  )
  for await (const _ of response.body) signal.throwIfAborted()
  if (response.status !== 200)
    throw new HeddleError('upstream_failed', `${offer.id} answered with HTTP ${response.status}`)
  return `${offer.id} answered in ${Math.round(clock.monotonic() - startedAt)} ms`
}
