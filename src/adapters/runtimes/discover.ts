/** Looks which inference programs answer on their usual local ports. */
import { HeddleError } from '../../core/errors.ts'
import { limit } from '../../core/limits.ts'
import type { Clock } from '../../ports/clock.ts'
import { upstreamPool } from './http-exchange.ts'
import { call, type JsonAnswer, objectIn } from './json-call.ts'
import { modelsIn } from './ollama-models.ts'
import { offersIn } from './openai-models.ts'
import { parseOllamaUrl, parseUpstreamUrl } from './upstream-url.ts'

/** A place where a program usually listens. */
export interface Probe {
  readonly kind: 'ollama' | 'openai'
  /** The program's name, for people. */
  readonly program: string
  readonly url: string
}

export interface DiscoveredRuntime {
  readonly kind: 'ollama' | 'openai'
  readonly program: string
  readonly url: string
  /** As `HEDDLE_RUNTIMES` takes it. */
  readonly spec: string
  readonly models: number
}

/** The programs' own default ports. Several programs use 8000 and 8080; the name is the likeliest. */
export const LOCAL_PROBES: readonly Probe[] = [
  { kind: 'ollama', program: 'Ollama', url: 'http://127.0.0.1:11434' },
  { kind: 'openai', program: 'LM Studio', url: 'http://127.0.0.1:1234' },
  { kind: 'openai', program: 'vLLM', url: 'http://127.0.0.1:8000' },
  { kind: 'openai', program: 'llama-server', url: 'http://127.0.0.1:8080' },
  { kind: 'openai', program: 'SGLang', url: 'http://127.0.0.1:30000' },
  { kind: 'openai', program: 'EXO', url: 'http://127.0.0.1:52415' },
]

/** Every gateway of ours says its version in this header; taking one for a runtime would send requests in a circle. */
const OWN_HEADER = 'x-heddle-version'

export interface DiscoverOptions {
  /** `OLLAMA_HOST`, where it is set: Ollama is looked for there instead. */
  readonly ollamaHost?: string | undefined
  readonly probes?: readonly Probe[] | undefined
  readonly signal: AbortSignal
}

/** Probes all places at once, each for at most `LIMITS.probeTimeoutMs`; never throws for a place where nothing fitting answers. */
export async function discoverRuntimes(
  deps: { readonly clock: Clock },
  { ollamaHost, probes = LOCAL_PROBES, signal }: DiscoverOptions,
): Promise<readonly DiscoveredRuntime[]> {
  const asked = probes.map((probe) => {
    if (probe.kind !== 'ollama' || ollamaHost === undefined || ollamaHost.trim() === '') return probe
    return { ...probe, url: parseOllamaUrl(ollamaHost).text }
  })
  const found = await Promise.all(asked.map((probe) => answerOf(deps, probe, signal)))
  return found.filter((runtime) => runtime !== undefined)
}

async function answerOf(
  { clock }: { readonly clock: Clock },
  probe: Probe,
  signal: AbortSignal,
): Promise<DiscoveredRuntime | undefined> {
  const url = parseUpstreamUrl(probe.url, probe.url)
  const dispatcher = upstreamPool(url.origin, { connections: 1 })
  const late = new AbortController()
  using _deadline = clock.after(limit('probeTimeoutMs'), () => late.abort(new HeddleError('timeout', 'too late')))
  const ask = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await call({ dispatcher, clock }, { url, path, signal: AbortSignal.any([signal, late.signal]) })
    refuseOurOwn(answer)
    return objectIn(answer, path)
  }
  try {
    const models =
      probe.kind === 'ollama' ? await ollamaModels(ask) : offersIn(await ask('/v1/models'), '/v1/models').length
    return { kind: probe.kind, program: probe.program, url: url.text, spec: `${probe.kind}:${url.text}`, models }
  } catch {
    signal.throwIfAborted()
    // Nobody there, somebody else, or too slow: in each case no runtime to use.
    return undefined
  } finally {
    await dispatcher.destroy()
  }
}

async function ollamaModels(ask: (path: string) => Promise<Readonly<Record<string, unknown>>>): Promise<number> {
  if (typeof (await ask('/api/version'))['version'] !== 'string') throw new HeddleError('upstream_failed', 'no Ollama')
  return modelsIn(await ask('/api/tags'), '/api/tags').length
}

function refuseOurOwn(answer: JsonAnswer): void {
  if (answer.headers[OWN_HEADER] !== undefined) throw new HeddleError('conflict', 'this is a heddle gateway')
}
