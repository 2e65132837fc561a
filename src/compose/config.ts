/** The configuration of a node: flags over `HEDDLE_*` variables over TOML files over defaults, each value with its origin. */
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { HeddleError } from '../core/errors.ts'
import { type AxiomConfig, axiomOf } from './config-axiom.ts'
import type { ConfigFile } from './config-file.ts'
import { readConfigFile } from './config-file.ts'
import { type IdentityConfig, identityOf } from './config-identity.ts'
import { type MeshConfig, meshOf } from './config-mesh.ts'
import type { ListenAddress } from './config-values.ts'
import { valueOfText } from './config-values.ts'
import { nearWord } from './near-word.ts'
import type { Environment, Paths } from './paths.ts'
import { pathsOf, SYSTEM_CONFIG_FILE } from './paths.ts'
import type { SettingKey } from './settings.ts'
import { isSettingKey, SETTING_KEYS, SETTINGS } from './settings.ts'
import type { SettingValues } from './settings-schema.ts'
import { SETTINGS_SCHEMA } from './settings-schema.ts'

/** Everything a node is told from outside, parsed and resolved. */
export interface Config {
  readonly name: string
  readonly region: string | undefined
  readonly tags: readonly string[]
  readonly mode: 'standalone' | 'local' | 'node'
  readonly mesh: MeshConfig
  /** Which nodes a request for a service may go to. */
  readonly servicesMatch: 'exact' | 'wildcard' | 'any'
  /** Where events of the OCF dialect go (`AXIOM_TOKEN`, `AXIOM_DATASET`); undefined where either is missing. */
  readonly axiom: AxiomConfig | undefined
  /** `auto`, `none` or runtime specs as in `HEDDLE_RUNTIMES`. */
  readonly runtimes: 'auto' | readonly string[]
  /** Where Ollama's own clients look for it (`OLLAMA_HOST`), as it was written; undefined where nobody says. */
  readonly ollamaHost: string | undefined
  readonly drainTimeoutMs: number
  readonly http: {
    readonly listen: ListenAddress
    /** Allowed `Host` names besides this machine's own. */
    readonly hosts: readonly string[]
    readonly metricsPublic: boolean
  }
  readonly identity: IdentityConfig
  readonly authRequired: boolean
  /** Allowed origins; `*` stands for any text. */
  readonly corsOrigins: readonly string[]
  readonly models: {
    readonly dir: string
    readonly contextTokens: number
    readonly parallel: number
    readonly gpu: 'cpu' | 'auto' | 'cuda' | 'vulkan' | 'metal'
    readonly maxLoaded: number
    readonly diskReserveBytes: number
  }
  readonly log: {
    readonly level: 'debug' | 'info' | 'warn' | 'error'
    readonly format: 'auto' | 'json' | 'pretty'
    readonly content: boolean
  }
  readonly retention: { readonly requestsAgeMs: number; readonly requestsRows: number }
  readonly paths: Paths
  /** Every setting as it was written, and where; in the table's order. */
  readonly settings: readonly EffectiveSetting[]
  /** What to tell the operator at start; never a secret. */
  readonly warnings: readonly string[]
}

export type SettingOrigin =
  | { readonly from: 'flag' | 'env'; readonly name: string }
  | { readonly from: 'file'; readonly path: string; readonly line: number | undefined }
  | { readonly from: 'default' }

export interface EffectiveSetting {
  readonly key: SettingKey
  /** As it would stand in a TOML file. */
  readonly value: unknown
  readonly origin: SettingOrigin
}

export interface ConfigOptions {
  /** By key of the table, as typed after the flag, e.g. `{ 'http.listen': '127.0.0.1:0' }`. */
  readonly flags?: Readonly<Partial<Record<SettingKey, string>>> | undefined
  readonly env: Environment
  /** The file named by `--config`; it must exist. `HEDDLE_CONFIG` is the same, one step lower. */
  readonly configFile?: string | undefined
  /** Instead of the files found by path; strongest first. For tests. */
  readonly files?: readonly ConfigFile[] | undefined
  readonly platform?: NodeJS.Platform | undefined
  readonly homeDir?: string | undefined
}

/** `flag --listen`, `env HEDDLE_HTTP_LISTEN`, `file /etc/heddle/config.toml:12` or `default`. */
export function originText(origin: SettingOrigin): string {
  switch (origin.from) {
    case 'flag':
    case 'env':
      return `${origin.from} ${origin.name}`
    case 'file':
      return `file ${origin.path}${origin.line === undefined ? '' : `:${origin.line}`}`
    case 'default':
      return 'default'
  }
}

/** The configuration that flags, variables and files ask for. Throws `config_invalid` naming the place of the first fault. */
export function loadConfig(options: ConfigOptions): Config {
  const { env, flags = {} } = options
  const paths = pathsOf(options)
  const files = options.files ?? readConfigFiles(paths, options)
  for (const file of files) assertKnownKeys(file)
  const settings = SETTING_KEYS.map((key) => effectiveSetting(key, flags, env, files))
  for (const setting of settings) assertActs(setting)
  return configOf(parseValues(settings), settings, paths, env)
}

function readConfigFiles(paths: Paths, { env, configFile }: ConfigOptions): readonly ConfigFile[] {
  const explicit = configFile ?? env.HEDDLE_CONFIG
  const named = explicit ? readConfigFile(resolve(explicit)) : undefined
  if (explicit && !named) {
    throw new HeddleError('config_invalid', `there is no config file ${resolve(explicit)}`, {
      fix: configFile
        ? 'leave out --config, or name a file that exists'
        : 'unset HEDDLE_CONFIG, or name a file that exists',
    })
  }
  // HEDDLE_HOME means one folder for everything, so the system's file does not reach in.
  const system = env.HEDDLE_HOME ? undefined : readConfigFile(SYSTEM_CONFIG_FILE)
  return [named, readConfigFile(paths.config), system].filter((file) => file !== undefined)
}

function assertKnownKeys(file: ConfigFile): void {
  for (const [key, { line }] of file.settings) {
    if (isSettingKey(key)) continue
    const near = nearWord(key, SETTING_KEYS)
    throw new HeddleError(
      'config_invalid',
      `${originText({ from: 'file', path: file.path, line })}: there is no setting "${key}"${near ? `; did you mean ${near}?` : ''}`,
      { param: key, fix: near ? `rename it to ${near}` : 'heddle config list' },
    )
  }
}

function effectiveSetting(
  key: SettingKey,
  flags: Readonly<Partial<Record<SettingKey, string>>>,
  env: Environment,
  files: readonly ConfigFile[],
): EffectiveSetting {
  const { kind, env: variable, flag, initial } = SETTINGS[key]
  const typed = flags[key]
  if (typed !== undefined) return { key, value: valueOfText(kind, typed), origin: { from: 'flag', name: flag } }
  const set = env[variable]
  // An empty variable is how a shell or a compose file says "not set".
  if (set) return { key, value: valueOfText(kind, set), origin: { from: 'env', name: variable } }
  for (const { path, settings } of files) {
    const found = settings.get(key)
    if (found) return { key, value: found.value, origin: { from: 'file', path, line: found.line } }
  }
  return { key, value: initial, origin: { from: 'default' } }
}

/** A setting that nothing acts on yet is refused, not ignored. */
function assertActs({ key, value, origin }: EffectiveSetting): void {
  const { inert, initial } = SETTINGS[key]
  if (inert === undefined || JSON.stringify(value) === JSON.stringify(initial)) return
  throw new HeddleError(
    'config_invalid',
    `${placeText(origin)}${key} needs ${inert}, which is not supported yet in this version`,
    { param: key, fix: `leave ${key} out` },
  )
}

/** Throws `config_invalid` where no node would start with this value, as it would stand in a TOML file. */
export function assertSetting(key: SettingKey, value: unknown): void {
  const setting: EffectiveSetting = { key, value, origin: { from: 'default' } }
  assertActs(setting)
  const result = SETTINGS_SCHEMA.shape[key].safeParse(value)
  if (!result.success) throw refusalOf(setting, result.error.issues[0]?.message ?? 'expected another value')
}

/** The place and a colon; nothing where there is no place. */
const placeText = (origin: SettingOrigin): string => (origin.from === 'default' ? '' : `${originText(origin)}: `)

function parseValues(settings: readonly EffectiveSetting[]): SettingValues {
  const result = SETTINGS_SCHEMA.safeParse(Object.fromEntries(settings.map(({ key, value }) => [key, value])))
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const setting = settings.find(({ key }) => key === issue?.path[0])
  if (!setting || !issue)
    throw new HeddleError('internal', 'the configuration was refused without a reason', { cause: result.error })
  throw refusalOf(setting, issue.message)
}

function refusalOf({ key, value, origin }: EffectiveSetting, expected: string): HeddleError {
  const got = SETTINGS[key].secret ? 'another value' : JSON.stringify(value)
  return new HeddleError('config_invalid', `${placeText(origin)}${key}: ${expected}; got ${got}`, {
    param: key,
    fix: fixOf(origin),
  })
}

function fixOf(origin: SettingOrigin): string | undefined {
  if (origin.from === 'file') return `edit ${origin.path}`
  return origin.from === 'env' ? `unset ${origin.name}` : undefined
}

function configOf(
  values: SettingValues,
  settings: readonly EffectiveSetting[],
  folders: Paths,
  env: Environment,
): Config {
  const modelsDir = values['models.dir'] === '' ? folders.modelsDir : resolve(values['models.dir'])
  const runtimes = values.runtimes
  if (runtimes.length > 1 && (runtimes.includes('auto') || runtimes.includes('none'))) {
    const origin = settings.find(({ key }) => key === 'runtimes')?.origin ?? { from: 'default' }
    throw new HeddleError(
      'config_invalid',
      `${originText(origin)}: runtimes: auto and none stand alone; got ${runtimes.join(',')}`,
      {
        param: 'runtimes',
      },
    )
  }
  return {
    name: values.name || hostname() || 'node',
    region: values.region || undefined,
    tags: values.tags,
    mode: values.mode,
    mesh: meshOf(values),
    servicesMatch: values['services.match'],
    axiom: axiomOf(env),
    runtimes: runtimes.length === 0 || runtimes[0] === 'auto' ? 'auto' : runtimes.filter((spec) => spec !== 'none'),
    ollamaHost: env['OLLAMA_HOST'] || undefined,
    drainTimeoutMs: values.drain_timeout,
    http: { listen: values['http.listen'], hosts: values['http.hosts'], metricsPublic: values['http.metrics_public'] },
    identity: identityOf(values, env),
    authRequired: values['auth.required'],
    corsOrigins: values['cors.origins'],
    models: {
      dir: modelsDir,
      contextTokens: values['models.context'],
      parallel: values['models.parallel'],
      gpu: values['models.gpu'],
      maxLoaded: values['models.max_loaded'],
      diskReserveBytes: values['models.disk_reserve'],
    },
    log: { level: values['log.level'], format: values['log.format'], content: values['log.content'] },
    retention: { requestsAgeMs: values['retention.requests_age'], requestsRows: values['retention.requests_rows'] },
    paths: { ...folders, modelsDir },
    settings,
    warnings: warningsOf(values, env),
  }
}

/** Whether only this machine can reach what listens on `host`. */
export const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || host.startsWith('127.')

function warningsOf(values: SettingValues, env: Environment): readonly string[] {
  const warnings: string[] = []
  const { host, port } = values['http.listen']
  if (!isLoopback(host))
    warnings.push(`http.listen is ${host}:${port}: other machines can reach this node, over plain HTTP`)
  if (!values['auth.required']) warnings.push('auth.required is off: whoever reaches this node may use it')
  if (values['log.content']) warnings.push('log.content is on: prompts and completions are written to the log')
  if (values['cors.origins'].includes('*')) warnings.push('cors.origins holds *: any web page may call this node')
  const known = [...SETTING_KEYS.map((key) => SETTINGS[key].env as string), ...OTHER_VARIABLES]
  for (const variable of Object.keys(env).filter((key) => key.startsWith('HEDDLE_'))) {
    // Not refused: Kubernetes gives every container of a cluster with a service "heddle" such variables.
    if (known.includes(variable)) continue
    const near = nearWord(variable, known)
    warnings.push(`the variable ${variable} means nothing to this version${near ? `; did you mean ${near}?` : ''}`)
  }
  return warnings
}

/** Variables that are no settings: where files are, and how the command line reaches a node. */
export const OTHER_VARIABLES = [
  'HEDDLE_HOME',
  'HEDDLE_CONFIG',
  'HEDDLE_HOST',
  'HEDDLE_API_KEY',
  'HEDDLE_PASSPHRASE',
] as const
