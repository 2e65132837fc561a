/** Fastify's own refusals as failures of our table. */
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { HeddleError } from '../core/errors.ts'

interface FrameworkError {
  readonly code?: unknown
  readonly statusCode?: unknown
}

/** The failure that `error` stands for. What is not known becomes `internal`, and nothing of it is told. */
export function failureOf(error: unknown): HeddleError {
  if (error instanceof HeddleError) return error
  if (hasZodFastifySchemaValidationErrors(error)) return validationFailure(error.validation)
  const { code, statusCode } = (error ?? {}) as FrameworkError
  switch (code) {
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return new HeddleError('malformed_json', 'the body is not valid JSON', { cause: error, param: 'body' })
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new HeddleError('unsupported_media_type', 'the body must be JSON and say so in its content type', {
        cause: error,
        param: 'content-type',
      })
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HeddleError('payload_too_large', 'the body is larger than this endpoint takes', {
        cause: error,
        param: 'body',
      })
    case 'FST_ERR_MAX_PARAM_LENGTH':
      return new HeddleError('uri_too_long', 'a part of the path is too long', { cause: error })
    case 'FST_ERR_BAD_URL':
      return new HeddleError('invalid_request', 'the path is not a valid URL path', { cause: error })
    default:
      if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
        return new HeddleError('invalid_request', 'the request is not valid', { cause: error })
      }
      return new HeddleError('internal', 'something went wrong inside heddle; the log has the cause', { cause: error })
  }
}

interface Issue {
  readonly instancePath?: string
  readonly message?: string | undefined
}

/** The first thing that is wrong, with the field's name in the form `scopes[0]`. */
function validationFailure(issues: readonly Issue[]): HeddleError {
  const issue = issues[0]
  const param = (issue?.instancePath ?? '')
    .split('/')
    .filter((part) => part !== '')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`))
    .join('')
  const what = issue?.message ?? 'not valid'
  return new HeddleError('invalid_request', param === '' ? what : `${param}: ${what}`, param === '' ? {} : { param })
}
