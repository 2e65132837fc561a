/** Runtime specs, as `HEDDLE_RUNTIMES` and `heddle runtimes add` take them. */
import { HeddleError } from '../../core/errors.ts'
import { asRuntimeId, type RuntimeId, unreachable } from '../../core/ids.ts'
import { parseScriptSpec, type ScriptOptions } from './script-options.ts'
import { parseOllamaUrl, parseUpstreamUrl, type UpstreamUrl } from './upstream-url.ts'

export type RuntimeSpec =
  | { readonly kind: 'llama'; readonly id: RuntimeId }
  | { readonly kind: 'ollama'; readonly id: RuntimeId; readonly url: UpstreamUrl }
  | { readonly kind: 'openai'; readonly id: RuntimeId; readonly url: UpstreamUrl }
  | { readonly kind: 'script'; readonly id: RuntimeId; readonly options: ScriptOptions }

const KINDS = ['llama', 'ollama', 'openai', 'script'] as const
const FORMS = 'llama, ollama[:url], openai:<url>, script:<model> or none'
const EXAMPLE = 'HEDDLE_RUNTIMES=ollama,openai:http://127.0.0.1:8000'

/** Parses a comma-separated list; `none`, alone, gives no runtimes. Throws `config_invalid` with a fix. */
export function parseRuntimeSpecs(text: string): readonly RuntimeSpec[] {
  const parts = text.split(',').map((part) => part.trim())
  if (parts.length === 1 && parts[0] === 'none') return []
  const specs = parts.map((part) => {
    if (part === 'none') throw invalid("'none' stands alone: it means no runtimes at all")
    return parseRuntimeSpec(part)
  })
  const twice = specs.find(({ id }, index) => specs.findIndex((other) => other.id === id) !== index)
  if (twice !== undefined) throw invalid(`the runtime '${twice.id}' is named twice`)
  return specs
}

/** Parses one spec other than `none`. Throws `config_invalid` with a fix. */
export function parseRuntimeSpec(text: string): RuntimeSpec {
  const trimmed = text.trim()
  const colon = trimmed.indexOf(':')
  const kind = colon < 0 ? trimmed : trimmed.slice(0, colon)
  const rest = colon < 0 ? '' : trimmed.slice(colon + 1)
  if (!isKind(kind))
    throw invalid(trimmed === '' ? 'a runtime spec is empty' : `'${trimmed}' is no runtime: write ${FORMS}`)
  switch (kind) {
    case 'llama':
      if (colon >= 0) throw invalid("'llama' takes no address: its models are the files in the models folder")
      return { kind, id: asRuntimeId('llama') }
    case 'ollama': {
      const url = parseOllamaUrl(rest)
      return { kind, id: asRuntimeId(`ollama:${url.text}`), url }
    }
    case 'openai': {
      const url = parseUpstreamUrl(rest, 'openai:http://127.0.0.1:8000')
      return { kind, id: asRuntimeId(`openai:${url.text}`), url }
    }
    case 'script':
      return { kind, id: asRuntimeId(`script:${rest}`), options: parseScriptSpec(rest) }
    default:
      return unreachable(kind)
  }
}

function isKind(text: string): text is (typeof KINDS)[number] {
  return (KINDS as readonly string[]).includes(text)
}

function invalid(message: string): HeddleError {
  return new HeddleError('config_invalid', message, { fix: `write it like ${EXAMPLE}` })
}
