/** Makes a runtime from its spec. */
import type { LlamaRuntime } from '../adapters/runtimes/llama/llama-runtime.ts'
import { OllamaRuntime } from '../adapters/runtimes/ollama.ts'
import { OpenAiRuntime } from '../adapters/runtimes/openai.ts'
import { ScriptRuntime } from '../adapters/runtimes/script.ts'
import { parseRuntimeSpec } from '../adapters/runtimes/spec.ts'
import { readSecretFile } from '../adapters/system/secret-file.ts'
import { type RuntimeId, unreachable } from '../core/ids.ts'
import type { Clock } from '../ports/clock.ts'
import type { Runtime } from '../ports/runtime.ts'

export interface RuntimeMakerDeps {
  readonly clock: Clock
  /** The engine for the models folder; made at most once. */
  readonly makeLlama: (id: RuntimeId) => LlamaRuntime
}

export class RuntimeMaker {
  readonly #deps: RuntimeMakerDeps

  constructor(deps: RuntimeMakerDeps) {
    this.#deps = deps
  }

  /** The id that a runtime of this spec has; throws `config_invalid`. */
  idOf(spec: string): RuntimeId {
    return parseRuntimeSpec(spec).id
  }

  /** A runtime that is not started yet; throws `config_invalid`. `keyFile` holds the upstream's API key. */
  make(text: string, keyFile: string | undefined): Runtime {
    const spec = parseRuntimeSpec(text)
    const { clock } = this.#deps
    switch (spec.kind) {
      case 'llama':
        return this.#deps.makeLlama(spec.id)
      case 'ollama':
        return new OllamaRuntime({ clock }, { url: spec.url.text })
      case 'openai':
        return new OpenAiRuntime({ clock, readSecret: readSecretFile }, { url: spec.url.text, keyFile })
      case 'script':
        return new ScriptRuntime({ clock }, spec.options, spec.id)
      default:
        return unreachable(spec)
    }
  }
}
