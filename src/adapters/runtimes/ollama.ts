/** Ollama as a runtime: its own API for health, models and pulls, its `/v1` for inference. */
import { HeddleError } from '../../core/errors.ts'
import { asRequestId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { MessageRequest } from '../../core/message.ts'
import type { Clock } from '../../ports/clock.ts'
import type { Checked } from './health-loop.ts'
import { readWhole } from './http-exchange.ts'
import { HttpRuntime, type RuntimeCall } from './http-runtime.ts'
import { objectIn } from './json-call.ts'
import { ndjson } from './ndjson.ts'
import {
  loadedIn,
  modelsIn,
  type OllamaModel,
  type OllamaShow,
  offerOf,
  showIn,
  UNKNOWN_SHOW,
} from './ollama-models.ts'
import { parseOllamaUrl, type UpstreamUrl } from './upstream-url.ts'

export interface OllamaOptions {
  /** As in `OLLAMA_HOST`; `http://127.0.0.1:11434` by default. */
  readonly url?: string | undefined
  /** Requests that it works on at once; more wait inside it. 4 by default, as `OLLAMA_NUM_PARALLEL` was for long. */
  readonly capacity?: number | undefined
}

/** One line of a pull's progress, in Ollama's words. */
export interface OllamaPullProgress {
  readonly status: string
  readonly digest: string | undefined
  readonly totalBytes: number | undefined
  readonly completedBytes: number | undefined
}

const DEFAULT_CAPACITY = 4
const RENAMED = '"max_completion_tokens"'

export class OllamaRuntime extends HttpRuntime {
  constructor(deps: { readonly clock: Clock }, options: OllamaOptions = {}) {
    const url = parseOllamaUrl(options.url ?? '')
    const watch = new OllamaWatch(url)
    super(deps, {
      kind: 'ollama',
      url,
      capacity: options.capacity ?? DEFAULT_CAPACITY,
      check: (call, { signal }) => watch.check(call, signal),
      prepare: withMaxTokens,
    })
  }

  /** Has Ollama download a model; ends when it is there, throws `download_failed` where Ollama says so or breaks off. */
  async *pull(model: string, { signal }: { readonly signal: AbortSignal }): AsyncGenerator<OllamaPullProgress, void> {
    const response = await this.stream(apiRequest('/api/pull', { model, name: model, stream: true }), {
      signal,
      // Checking a large download is silent for minutes.
      bodyTimeoutMs: limit('firstByteTimeoutMs'),
    })
    if (response.status !== 200) {
      const text = (await readWhole(response.body, limit('healthBodyBytes'))).toString('utf8')
      throw new HeddleError('download_failed', `Ollama refused to pull (HTTP ${response.status})${refusalIn(text)}`)
    }
    let last = ''
    for await (const line of ndjson(response.body)) {
      if (typeof line['error'] === 'string')
        throw new HeddleError('download_failed', `Ollama could not pull: ${line['error']}`)
      last = typeof line['status'] === 'string' ? line['status'] : last
      yield {
        status: last,
        digest: typeof line['digest'] === 'string' ? line['digest'] : undefined,
        totalBytes: typeof line['total'] === 'number' ? line['total'] : undefined,
        completedBytes: typeof line['completed'] === 'number' ? line['completed'] : undefined,
      }
    }
    if (last !== 'success') throw new HeddleError('download_failed', 'Ollama stopped the pull before its end')
    this.recheck()
  }

  /** Has Ollama delete a model; false where it has none of that name. */
  async remove(model: string, { signal }: { readonly signal: AbortSignal }): Promise<boolean> {
    const answer = await this.call({ path: '/api/delete', method: 'DELETE', body: { model, name: model }, signal })
    if (answer.status === 404) return false
    if (answer.status !== 200) {
      throw new HeddleError(
        'upstream_failed',
        `Ollama did not delete the model (HTTP ${answer.status})${refusalIn(answer.text)}`,
      )
    }
    this.recheck()
    return true
  }
}

/** Asks Ollama how it is; remembers what cannot change. */
class OllamaWatch {
  readonly #url: UpstreamUrl
  /** By digest, only of models that are there. */
  #shows: ReadonlyMap<string, OllamaShow> = new Map()

  constructor(url: UpstreamUrl) {
    this.#url = url
  }

  async check(call: RuntimeCall, signal: AbortSignal): Promise<Checked> {
    const { text } = this.#url
    const version = objectIn(await call({ path: '/api/version', signal }), `${text}/api/version`)['version']
    if (typeof version !== 'string')
      throw new HeddleError('upstream_failed', `${text} is no Ollama: /api/version names no version`)
    const models = modelsIn(objectIn(await call({ path: '/api/tags', signal }), `${text}/api/tags`), `${text}/api/tags`)
    await this.#showNew(models, call, signal)
    const offers = models.map((model) => offerOf(model, this.#shows.get(model.digest) ?? UNKNOWN_SHOW))
    const loaded = await call({ path: '/api/ps', signal })
    const facts = loaded.status === 200 ? loadedIn(objectIn(loaded, `${text}/api/ps`)) : {}
    return { offers, facts: { url: text, version: version.slice(0, 64), models: offers.length, ...facts } }
  }

  async #showNew(models: readonly OllamaModel[], call: RuntimeCall, signal: AbortSignal): Promise<void> {
    const shows = new Map<string, OllamaShow>()
    const unknown: OllamaModel[] = []
    for (const model of models) {
      const show = this.#shows.get(model.digest)
      if (show === undefined) unknown.push(model)
      else shows.set(model.digest, show)
    }
    const asker = async (): Promise<void> => {
      for (let model = unknown.pop(); model !== undefined; model = unknown.pop()) {
        const answer = await call({
          path: '/api/show',
          method: 'POST',
          body: { model: model.name, name: model.name },
          signal,
        })
        // A model may have gone since the list was made, or be broken; the others must not suffer.
        if (answer.status === 200) shows.set(model.digest, showIn(objectIn(answer, `${this.#url.text}/api/show`)))
      }
    }
    await Promise.all(Array.from({ length: limit('modelShowsAtOnce') }, asker))
    this.#shows = shows
  }
}

/** Ollama reads `max_tokens` and drops `max_completion_tokens` without a word, so it is sent under the older name. */
function withMaxTokens(request: MessageRequest): MessageRequest {
  if (!(request.body instanceof Uint8Array)) return request
  const bytes = Buffer.from(request.body.buffer, request.body.byteOffset, request.body.byteLength)
  if (!bytes.includes(RENAMED)) return request
  let fields: Record<string, unknown>
  try {
    fields = JSON.parse(bytes.toString('utf8')) as Record<string, unknown>
  } catch {
    // Ollama refuses it better than we could.
    return request
  }
  const { max_completion_tokens: most, ...others } = fields
  if (typeof most !== 'number') return request
  return { ...request, body: Buffer.from(JSON.stringify({ ...others, max_tokens: most })) }
}

function apiRequest(path: string, body: unknown): MessageRequest {
  return {
    id: asRequestId('ollama'),
    service: 'llm',
    method: 'POST',
    path,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(body)),
  }
}

function refusalIn(text: string): string {
  try {
    const { error } = JSON.parse(text) as { error?: unknown }
    return typeof error === 'string' ? `: ${error.slice(0, 200)}` : ''
  } catch {
    // No JSON, so nothing to quote.
    return ''
  }
}
