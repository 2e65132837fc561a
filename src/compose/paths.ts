/** Where a node keeps its files: XDG folders on Linux, the system's own elsewhere, or all under `HEDDLE_HOME`. */
import { homedir } from 'node:os'
import { isAbsolute, join, resolve } from 'node:path'
import envPaths from 'env-paths'

export type Environment = Readonly<Record<string, string | undefined>>

/** Every file and folder that heddle writes; all absolute. */
export interface Paths {
  /** The user's config file; it need not exist. */
  readonly config: string
  /** Keys, state and models: what a backup holds. */
  readonly data: string
  /** Logs, the node file, the admin key: what may be lost. */
  readonly state: string
  readonly cache: string
  readonly modelsDir: string
  readonly keysDir: string
  /** Private networks that were joined. */
  readonly networksDir: string
  /** What other accounts have said of their keys and devices. */
  readonly statementsFile: string
  /** What is known of the nodes of each network, one file a network. */
  readonly registriesDir: string
  /** The secret of the first inference key. */
  readonly defaultKeyFile: string
  readonly stateDb: string
  /** `{ pid, url, startedAt, version }` of the running node. */
  readonly nodeFile: string
  /** The secret by which the CLI may use the admin API. */
  readonly adminKeyFile: string
  /** What a node started by `heddle up` writes. */
  readonly logFile: string
}

export interface PathsOptions {
  readonly env: Environment
  readonly platform?: NodeJS.Platform | undefined
  readonly homeDir?: string | undefined
}

export const SYSTEM_CONFIG_FILE = '/etc/heddle/config.toml'

interface Folders {
  readonly config: string
  readonly data: string
  readonly state: string
  readonly cache: string
}

/** The paths that `env` asks for. Nothing is created. */
export function pathsOf(options: PathsOptions): Paths {
  const { config, data, state, cache } = foldersOf(options)
  const keysDir = join(data, 'keys')
  return {
    config: join(config, 'config.toml'),
    data,
    state,
    cache,
    modelsDir: join(data, 'models'),
    keysDir,
    networksDir: join(data, 'networks'),
    statementsFile: join(data, 'known.statements'),
    registriesDir: join(state, 'registries'),
    defaultKeyFile: join(keysDir, 'default.key'),
    stateDb: join(data, 'state.db'),
    nodeFile: join(state, 'node.json'),
    adminKeyFile: join(state, 'admin.key'),
    logFile: join(state, 'heddle.log'),
  }
}

function foldersOf({ env, platform = process.platform, homeDir = homedir() }: PathsOptions): Folders {
  if (env.HEDDLE_HOME) {
    const home = resolve(env.HEDDLE_HOME)
    return { config: home, data: join(home, 'data'), state: join(home, 'state'), cache: join(home, 'cache') }
  }
  if (platform === 'darwin' || platform === 'win32') {
    const folders = envPaths('heddle', { suffix: '' })
    return { config: folders.config, data: folders.data, state: folders.log, cache: folders.cache }
  }
  // The XDG specification says that a relative path is invalid and to be ignored.
  const folder = (variable: string, fallback: string): string => {
    const value = env[variable]
    return join(value && isAbsolute(value) ? value : join(homeDir, fallback), 'heddle')
  }
  return {
    config: folder('XDG_CONFIG_HOME', '.config'),
    data: folder('XDG_DATA_HOME', '.local/share'),
    state: folder('XDG_STATE_HOME', '.local/state'),
    cache: folder('XDG_CACHE_HOME', '.cache'),
  }
}
