/** What an upstream's error answer means for the request: the client's fault, or a reason to try the next candidate. */
import { HeddleError } from '../errors.ts'

const CONTEXT_MARKS = [
  'context_length_exceeded',
  'exceed_context_size',
  'maximum context length',
  'context window',
  'context size',
]
const MESSAGE_CHARACTERS = 500

/**
 * @param status the upstream's, not 2xx
 * @param json its parsed body; it may be anything
 * @param retryAfterMs from its `retry-after`
 * @returns an error that another candidate may mend (`retry: next-candidate`), or one for the client
 */
export function upstreamError(status: number, json: unknown, retryAfterMs: number | undefined): HeddleError {
  const { message, code, type, param } = errorFieldsOf(json)
  if (status === 400 || status === 413 || status === 422) {
    const about = `${code ?? ''} ${type ?? ''} ${message ?? ''}`.toLowerCase()
    if (CONTEXT_MARKS.some((mark) => about.includes(mark))) {
      return new HeddleError(
        'context_length_exceeded',
        message ?? 'the prompt is longer than the context of the model',
        { param: param ?? 'messages' },
      )
    }
    return new HeddleError(
      code === 'unsupported_parameter' ? 'unsupported_parameter' : 'invalid_request',
      message ?? 'the runtime refused the request',
      { param },
    )
  }
  if (status === 429 || status === 503) {
    return new HeddleError('runtime_unavailable', `the runtime is busy (HTTP ${status})`, {
      retryAfterMs: retryAfterMs ?? 1_000,
    })
  }
  if (status === 401 || status === 403) {
    return new HeddleError('upstream_failed', `the runtime refused our credentials (HTTP ${status})`, {
      fix: 'heddle runtimes ls',
    })
  }
  if (status === 404) return new HeddleError('upstream_failed', 'the runtime no longer has this model (HTTP 404)')
  return new HeddleError('upstream_failed', `the runtime answered with HTTP ${status}`)
}

interface ErrorFields {
  readonly message: string | undefined
  readonly code: string | undefined
  readonly type: string | undefined
  readonly param: string | undefined
}

/** OpenAI's `{error:{…}}`, Ollama's `{error:"…"}`, and FastAPI's `{detail:"…"}`. */
function errorFieldsOf(json: unknown): ErrorFields {
  const body = recordOf(json)
  const error = recordOf(body.error)
  return {
    message: textOf(error.message) ?? textOf(body.error) ?? textOf(body.detail) ?? textOf(body.message),
    code: textOf(error.code),
    type: textOf(error.type),
    param: textOf(error.param),
  }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value.slice(0, MESSAGE_CHARACTERS) : undefined
}
