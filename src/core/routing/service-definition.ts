/** A generic HTTP service as its operator describes it, and the rules for what it may be called and offer. */
import { HeddleError } from '../errors.ts'
import { limit } from '../limits.ts'
import { isRecordText } from '../registry/record-fields.ts'
import { SERVICE_NAME } from '../registry/record-service.ts'
import { parseIdentityGroup } from './identity-groups.ts'
import { parseServicePath } from './service-path.ts'

export interface ServiceDefinition {
  readonly name: string
  /** Tells several services of one name apart on their node; others see it, so it is no address. */
  readonly instance: string
  /** Where requests go; never shown to other nodes. */
  readonly url: string
  /** `key=value`, `key=*` or `all`; none takes every request. */
  readonly groups: readonly string[]
  /** Requests that it works on at once. */
  readonly capacity: number
  /** Paths that may be asked for, each with what lies below it; none means all. */
  readonly paths: readonly string[]
  /** Asked for by checks. */
  readonly healthPath: string | undefined
}

/** The key of a group becomes part of a header's name. */
const GROUP_KEY = /^[\w.-]{1,64}$/
const MOST_PATHS = 32
const RESERVED = 'llm'

/** What the rules say against a definition; its URL is judged by whoever opens it. @throws HeddleError `invalid_request` */
export function checkServiceDefinition({ name, instance, groups, paths, healthPath }: ServiceDefinition): void {
  if (name === RESERVED) {
    throw wrong('name', '"llm" is the service of the models: its instances are the runtimes', {
      fix: 'heddle runtimes add <url>',
    })
  }
  if (!SERVICE_NAME.test(name))
    throw wrong(
      'name',
      `${quoted(name)} is no service name: use up to 64 of a-z 0-9 . _ -, and begin with a letter or digit`,
    )
  if (!SERVICE_NAME.test(instance))
    throw wrong('instance', `${quoted(instance)} is no instance name: use up to 64 of a-z 0-9 . _ -`)
  if (groups.length > limit('recordGroups'))
    throw wrong('groups', `a service has at most ${limit('recordGroups')} groups`)
  for (const group of groups) checkGroup(group)
  if (paths.length > MOST_PATHS) throw wrong('paths', `a service has at most ${MOST_PATHS} paths`)
  for (const path of paths) checkPath('paths', path)
  if (healthPath !== undefined) checkPath('healthPath', healthPath)
}

function checkGroup(text: string): void {
  const group = parseIdentityGroup(text)
  if (group === undefined) {
    throw wrong('groups', `${quoted(text)} is no identity group: it has no "key=value"`, {
      fix: 'write --group key=value, --group key=* or --group all',
    })
  }
  if (group.kind !== 'all' && !GROUP_KEY.test(group.key))
    throw wrong('groups', `the key of ${quoted(text)} may hold up to 64 letters, digits and . _ -`)
  if (!isRecordText(text)) throw wrong('groups', `${quoted(text)} is too long or holds characters that cannot be shown`)
}

function checkPath(param: string, path: string): void {
  const parsed = parseServicePath(path)
  if (parsed.kind === 'refused') throw wrong(param, `${quoted(path)} is no path of a service: ${parsed.reason}`)
  if (path.includes('?')) throw wrong(param, `${quoted(path)} must have no query`)
}

const SHOWN = 80

function quoted(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text)
}

function wrong(param: string, message: string, { fix }: { readonly fix?: string } = {}): HeddleError {
  return new HeddleError('invalid_request', message, { param, fix })
}
