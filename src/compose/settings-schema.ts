/** The one schema of the configuration: what the value of every setting must be. */
import { z } from 'zod'
import { parseDuration, parseListen, parseSize } from './config-values.ts'
import type { SettingKey } from './settings.ts'

const parsed = <T>(parse: (text: string) => T | undefined, expected: string) =>
  z.string({ error: `expected ${expected}` }).transform((text, context): T => {
    const value = parse(text)
    if (value !== undefined) return value
    context.addIssue({ code: 'custom', message: `expected ${expected}` })
    return z.NEVER
  })

const durationSchema = parsed(parseDuration, 'a duration such as 30s, 10m or 7d')
const sizeSchema = parsed(parseSize, 'a size such as 512MiB or 10GB')
const listenSchema = parsed(parseListen, 'host:port such as 127.0.0.1:11440')
const booleanSchema = z.boolean({ error: 'expected true or false' })
const textSchema = (pattern: RegExp, expected: string) =>
  z.string({ error: `expected ${expected}` }).regex(pattern, { error: `expected ${expected}` })
const listSchema = (pattern: RegExp, expected: string) =>
  z
    .array(textSchema(pattern, `${expected} in each entry`), { error: `expected a list of texts, each ${expected}` })
    .readonly()
const integerSchema = (least: number, most: number) => {
  const error = `expected a whole number from ${least} to ${most}`
  return z.int({ error }).min(least, { error }).max(most, { error })
}

const NAME = /^[\p{L}\p{N}][\p{L}\p{N} ._-]{0,62}$/u
const LABEL = /^$|^[a-z][a-z0-9-]{0,62}$/
const TAG = /^[A-Za-z0-9][A-Za-z0-9._:=-]{0,62}$/
const RUNTIME = /^(auto|none|llama|ollama(:\S+)?|openai:https?:\/\/\S+|script:\S+)$/
const ORIGIN = /^(\*|[a-z][a-z0-9+.-]*:\/\/\S+)$/
const HOST = /^[A-Za-z0-9.:[\]_-]+$/
const MULTIADDR = /^(\/[a-z0-9-]+\/[^\s/]+)(\/[^\s/]+)*$/
const BOOTSTRAP = /^((\/[a-z0-9-]+\/[^\s/]+)(\/[^\s/]+)*|https?:\/\/\S+)$/
const ANY = /^[^\0]*$/

const oneOf = <const T extends readonly string[]>(...values: T) =>
  z.enum(values, { error: `expected one of ${values.join(', ')}` })

/** What every setting's value must be, as it stands in a TOML file. */
export const SETTINGS_SCHEMA = z.strictObject({
  name: z.union([z.literal(''), textSchema(NAME, 'a name of at most 63 letters, digits, spaces, dots or dashes')], {
    error: 'expected a name of at most 63 letters, digits, spaces, dots or dashes',
  }),
  region: textSchema(LABEL, 'lower-case words joined by dashes, e.g. north-america'),
  tags: listSchema(TAG, 'a label such as gpu or room=attic'),
  mode: oneOf('standalone', 'local', 'node'),
  bootstrap: listSchema(
    BOOTSTRAP,
    'a multiaddr such as /ip4/192.0.2.7/tcp/11441, or an http:// or https:// address',
  ).refine((list) => list.length < 2 || !list.some((entry) => entry.startsWith('http')), {
    error: 'expected either multiaddrs or a single http:// or https:// address',
  }),
  runtimes: listSchema(RUNTIME, 'auto, none, llama, ollama[:url], openai:<url> or script:<model>'),
  drain_timeout: durationSchema,
  workers: integerSchema(1, 1_024),
  'http.listen': listenSchema,
  'http.hosts': listSchema(HOST, 'a host name'),
  'http.metrics_public': booleanSchema,
  'mesh.listen': z.union([z.literal('').transform(() => undefined), listenSchema], {
    error: 'expected host:port such as 127.0.0.1:11441',
  }),
  'mesh.public_addr': listSchema(MULTIADDR, 'a multiaddr such as /ip4/192.0.2.7/tcp/11441'),
  'mesh.relay': oneOf('auto', 'on', 'off'),
  'mesh.lan': booleanSchema,
  'mesh.quic': booleanSchema,
  'mesh.max_connections': integerSchema(0, 10_000),
  'services.match': oneOf('exact', 'wildcard', 'any'),
  'identity.passphrase_file': textSchema(ANY, 'a file'),
  'auth.required': booleanSchema,
  'cors.origins': listSchema(ORIGIN, 'an origin such as https://app.example or *'),
  'models.dir': textSchema(ANY, 'a folder'),
  'models.context': integerSchema(64, 16_777_216),
  'models.parallel': integerSchema(1, 256),
  'models.gpu': oneOf('cpu', 'auto', 'cuda', 'vulkan', 'metal'),
  'models.max_loaded': integerSchema(1, 1_000),
  'models.disk_reserve': sizeSchema,
  'log.level': oneOf('debug', 'info', 'warn', 'error'),
  'log.format': oneOf('auto', 'json', 'pretty'),
  'log.content': booleanSchema,
  'retention.requests_age': durationSchema,
  'retention.requests_rows': integerSchema(0, 100_000_000),
  'database.url': textSchema(ANY, 'a URL'),
  'redis.url': textSchema(ANY, 'a URL'),
} satisfies Record<SettingKey, z.ZodType>)

export type SettingValues = z.output<typeof SETTINGS_SCHEMA>
