/** Any OpenAI-compatible server as a runtime: vLLM, llama-server, SGLang, LM Studio, or a hosted API with a key. */
import { HeddleError } from '../../core/errors.ts'
import type { MessageHeaders } from '../../core/message.ts'
import type { ModelOffer } from '../../core/routing/candidate.ts'
import type { Clock } from '../../ports/clock.ts'
import { HttpRuntime, type RuntimeCall } from './http-runtime.ts'
import { objectIn } from './json-call.ts'
import { offersIn } from './openai-models.ts'
import { parseUpstreamUrl, type UpstreamUrl } from './upstream-url.ts'

export interface OpenAiDeps {
  readonly clock: Clock
  /** The secret in a file; undefined where there is no such file. Only called where a key file is configured. */
  readonly readSecret: (path: string) => Promise<string | undefined>
}

export interface OpenAiOptions {
  /** With or without `/v1`. */
  readonly url: string
  /** A file with the API key of the server, read again at each check, so that a key can be changed while we run. */
  readonly keyFile?: string | undefined
  /** Requests that the server works on at once; 64 by default. */
  readonly capacity?: number | undefined
}

const DEFAULT_CAPACITY = 64

export class OpenAiRuntime extends HttpRuntime {
  constructor(deps: OpenAiDeps, options: OpenAiOptions) {
    const url = parseUpstreamUrl(options.url, 'openai:http://127.0.0.1:8000')
    const key = new KeyFile(deps, options.keyFile)
    super(deps, {
      kind: 'openai',
      url,
      capacity: options.capacity ?? DEFAULT_CAPACITY,
      headers: () => key.headers,
      check: async (call, { signal }) => {
        await key.read()
        const offers = await register(call, url, signal)
        return { offers, facts: { url: url.text, models: offers.length } }
      },
    })
  }
}

/**
 * Checks health and lists models, in that order: `GET /health` where the server has it, else the model list is the check.
 * A server that says 503 there (llama-server while it loads) is alive and not ready.
 */
async function register(call: RuntimeCall, url: UpstreamUrl, signal: AbortSignal): Promise<readonly ModelOffer[]> {
  const health = await call({ path: '/health', signal })
  if (health.status >= 500 && health.status !== 501) {
    const what = health.status === 503 ? 'is up and not ready yet' : 'says that it is not well'
    throw new HeddleError('runtime_unavailable', `${url.text} ${what} (HTTP ${health.status} from /health)`)
  }
  return offersIn(
    objectIn(await call({ path: '/v1/models', signal }), `${url.text}/v1/models`),
    `${url.text}/v1/models`,
  )
}

/** The `authorization` header that a key file makes. */
class KeyFile {
  readonly #deps: OpenAiDeps
  readonly #path: string | undefined
  headers: MessageHeaders | undefined

  constructor(deps: OpenAiDeps, path: string | undefined) {
    this.#deps = deps
    this.#path = path
  }

  async read(): Promise<void> {
    if (this.#path === undefined) return
    const secret = (await this.#deps.readSecret(this.#path))?.trim()
    if (secret === undefined || secret === '') {
      throw new HeddleError('config_invalid', `there is no key in ${this.#path}`, {
        fix: `write the server's API key into ${this.#path}`,
      })
    }
    if (!/^[\x21-\x7e]+$/.test(secret))
      throw new HeddleError('config_invalid', `what is in ${this.#path} is no API key`)
    this.headers = { authorization: `Bearer ${secret}` }
  }
}
