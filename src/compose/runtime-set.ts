/** The runtimes of this node: those configured, those added by an operator, those found, and the engine for the models folder. */

import { HeddleError } from '../core/errors.ts'
import { asRuntimeId, type RuntimeId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { RuntimeView } from '../core/wire/admin.ts'
import type { AddRuntime, RuntimeTest, TestRuntime } from '../core/wire/admin-models.ts'
import type { Cancellable, RuntimeAdmin } from '../http/admin/deps.ts'
import { runtimeView } from '../http/admin/views.ts'
import type { Clock, Timer } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { Runtime } from '../ports/runtime.ts'
import type { RuntimeStore } from '../ports/runtime-store.ts'
import type { LocalProvider } from '../provider/local-provider.ts'
import type { RuntimeMaker } from './make-runtime.ts'
import { testRuntime } from './test-runtime.ts'

export interface RuntimeSetDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly provider: LocalProvider
  readonly store: RuntimeStore
  readonly maker: RuntimeMaker
  /** The runtimes that answer on this machine's usual ports. */
  readonly discover: (options: Cancellable) => Promise<readonly { readonly spec: string; readonly models: number }[]>
  /** Told after each search whether anything found serves a model, so that the demo model can step back. */
  readonly onSearched: (servesModels: boolean) => void
}

export class RuntimeSet implements RuntimeAdmin, Disposable {
  readonly #deps: RuntimeSetDeps
  readonly #stop = new AbortController()
  /** Runtimes that only the configuration may take away. */
  readonly #configured = new Set<RuntimeId>()
  #search: Timer | undefined

  constructor(deps: RuntimeSetDeps) {
    this.#deps = deps
  }

  /** Brings up what `wanted` and the store name; `auto` goes on looking for local runtimes. */
  async open(wanted: 'auto' | readonly string[]): Promise<void> {
    for (const { spec, keyFile } of await this.#deps.store.list()) this.#tryAdd(spec, keyFile)
    if (wanted !== 'auto') {
      for (const spec of wanted) if (spec !== 'none') this.#configured.add(this.#add(spec, undefined).id)
      return
    }
    await this.#look()
    // The engine is there for the models folder, and for the demo model where nothing else was found.
    this.#configured.add(this.#add('llama', undefined).id)
  }

  list(): readonly RuntimeView[] {
    const now = this.#deps.clock.now()
    return this.#deps.provider.runtimes().map((runtime) => runtimeView(runtime, now))
  }

  async add({ spec, keyFile }: AddRuntime): Promise<RuntimeView> {
    const runtime = this.#add(specOf(spec), keyFile)
    await this.#deps.store.put({ id: runtime.id, spec: specOf(spec), keyFile, addedAt: this.#deps.clock.now() })
    return runtimeView(runtime, this.#deps.clock.now())
  }

  async test(request: TestRuntime, { signal }: Cancellable): Promise<RuntimeTest> {
    if ('id' in request) {
      const runtime = this.#find(request.id)
      if (runtime === undefined) throw noRuntime(request.id)
      return testRuntime(this.#deps, runtime, { signal })
    }
    await using runtime = this.#deps.maker.make(specOf(request.spec), request.keyFile)
    runtime.start()
    return await testRuntime(this.#deps, runtime, { signal })
  }

  async remove(id: string): Promise<void> {
    const runtime = this.#find(id)
    if (runtime === undefined) throw noRuntime(id)
    if (this.#configured.has(runtime.id)) {
      throw new HeddleError('conflict', `"${id}" is named by the configuration`, {
        fix: 'heddle config list --show-origin',
      })
    }
    await this.#deps.store.remove(runtime.id)
    await this.#deps.provider.remove(runtime.id)
  }

  [Symbol.dispose](): void {
    this.#stop.abort()
    this.#search?.cancel()
  }

  /** Adds what answers locally, now and every `discoverIntervalMs`; a runtime that was removed comes back only after a restart. */
  async #look(): Promise<void> {
    try {
      const found = await this.#deps.discover({ signal: this.#stop.signal })
      for (const { spec } of found) {
        if (this.#find(this.#deps.maker.idOf(spec)) === undefined) this.#tryAdd(spec, undefined)
      }
      this.#deps.onSearched(found.some(({ models }) => models > 0))
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#deps.log.warn({ err: error }, 'looking for local runtimes failed')
    }
    if (this.#stop.signal.aborted) return
    this.#search = this.#deps.clock.after(limit('discoverIntervalMs'), () => void this.#look())
  }

  #tryAdd(spec: string, keyFile: string | undefined): void {
    try {
      this.#add(spec, keyFile)
    } catch (error) {
      this.#deps.log.warn({ runtime: spec, err: error }, 'a runtime was left out')
    }
  }

  #add(spec: string, keyFile: string | undefined): Runtime {
    const runtime = this.#deps.maker.make(spec, keyFile)
    this.#deps.provider.add(runtime)
    return runtime
  }

  #find(id: string): Runtime | undefined {
    return this.#deps.provider.runtimes().find((runtime) => runtime.id === asRuntimeId(id) || runtime.id === specOf(id))
  }
}

/** A bare URL means an OpenAI-compatible server. */
function specOf(text: string): string {
  return /^https?:\/\//.test(text) ? `openai:${text}` : text
}

function noRuntime(id: string): HeddleError {
  return new HeddleError('not_found', `there is no runtime "${id}"`, { fix: 'heddle runtimes ls' })
}
