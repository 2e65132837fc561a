/** The names under which other nodes know this node's runtimes: runtime ids may hold addresses of the inner network. */
import { hash } from 'node:crypto'
import type { RuntimeId } from '../core/ids.ts'

const LEAST_DIGITS = 6
const PLAIN = /^[a-z0-9][a-z0-9._-]{0,31}$/
/** Everybody's Ollama is there, so its address is no secret. */
const WELL_KNOWN: Readonly<Record<string, string>> = { 'ollama:http://127.0.0.1:11434': 'ollama' }

/**
 * `llama` stays `llama`; `openai:http://10.0.0.5:8000` becomes `openai-1a2b3c`. A name depends on the id and the secret only, so it
 * survives restarts, and nobody who lacks the secret can find the address by trying all of them.
 */
export class PublicRuntimeNames {
  readonly #secret: string
  readonly #names = new Map<RuntimeId, string>()
  readonly #ids = new Map<string, RuntimeId>()

  /** @param secret of this node and the same after each restart */
  constructor({ secret }: { readonly secret: string }) {
    this.#secret = secret
  }

  nameOf(id: RuntimeId): string {
    const known = this.#names.get(id)
    if (known !== undefined) return known
    const name = this.#freeName(id)
    this.#names.set(id, name)
    this.#ids.set(name, id)
    return name
  }

  /** The runtime of that name, where `nameOf` has named it. */
  runtimeOf(name: string): RuntimeId | undefined {
    return this.#ids.get(name)
  }

  #freeName(id: RuntimeId): string {
    const plain = WELL_KNOWN[id] ?? id
    if (PLAIN.test(plain) && !this.#ids.has(plain)) return plain
    const kind = /^[a-z0-9]{1,16}(?=:)/.exec(id)?.[0] ?? 'runtime'
    const digits = hash('sha256', `heddle/runtime-name/v1\0${this.#secret}\0${id}`)
    for (let count = LEAST_DIGITS; ; count += 1) {
      const name = `${kind}-${digits.slice(0, count)}`
      if (!this.#ids.has(name) || count === digits.length) return name
    }
  }
}
