/** What is wrong with a node by itself, in sentences, each with what mends it. */
import type { HealthItem } from '../core/wire/admin.ts'
import type { Catalogue } from '../gateway/catalogue.ts'
import type { ModelLibrary } from '../models/library.ts'
import type { LocalProvider } from '../provider/local-provider.ts'
import { type Config, isLoopback } from './config.ts'

export interface NodeHealthDeps {
  readonly config: Config
  readonly provider: LocalProvider
  readonly catalogue: Pick<Catalogue, 'models'>
  readonly library: ModelLibrary
  /** Whether nothing but the tiny embedded model is offered. */
  readonly isDemoOnly: () => boolean
}

export function nodeHealth(deps: NodeHealthDeps): readonly HealthItem[] {
  return [...runtimeItems(deps), ...modelItems(deps), ...exposureItems(deps)]
}

function runtimeItems({ provider, catalogue }: NodeHealthDeps): readonly HealthItem[] {
  const runtimes = provider.runtimes()
  if (runtimes.length === 0) {
    const others = catalogue.models().length
    return others > 0
      ? [item('no_runtime', 'info', 'no runtime is here; the models of other nodes are served', null)]
      : [
          item(
            'no_runtime',
            'error',
            'no runtime is configured or found, so no model can be served',
            'heddle runtimes add <url>',
          ),
        ]
  }
  return runtimes.flatMap((runtime) => {
    const { state, reason, tries } = runtime.snapshot()
    if (state === 'ready') return []
    const tried = tries > 0 ? ` (tried ${tries} times)` : ''
    const severity = state === 'starting' ? 'info' : 'warning'
    const message = `${runtime.id} is ${state}: ${reason}${tried}`
    return [item(`runtime_${state}`, severity, message, `heddle runtimes test ${runtime.id}`)]
  })
}

function modelItems({ library, isDemoOnly }: NodeHealthDeps): readonly HealthItem[] {
  const refused = library
    .refused()
    .map((file) => item('model_refused', 'warning', `${file.fileName} is not offered: ${file.reason}`, null))
  if (!isDemoOnly()) return refused
  const message = 'only the tiny demo model that comes with heddle is here'
  return [...refused, item('demo_model_only', 'info', message, 'heddle models pull <url|file>')]
}

function exposureItems({ config }: NodeHealthDeps): readonly HealthItem[] {
  const items: HealthItem[] = []
  const { host, port } = config.http.listen
  if (!isLoopback(host)) {
    const message = `the API listens on ${host}; anyone who can reach it may try keys`
    items.push(item('listens_widely', 'warning', message, `heddle config set http.listen 127.0.0.1:${port}`))
  }
  if (config.log.content) {
    const message = 'prompts and completions are logged'
    items.push(item('content_logged', 'warning', message, 'heddle config set log.content false'))
  }
  return items
}

function item(code: string, severity: HealthItem['severity'], message: string, fix: string | null): HealthItem {
  return { code, severity, message, fix }
}
