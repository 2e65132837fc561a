/** The architecture as data: which layer may import what, where each package belongs, who owns time, chance and the process. */

export interface Layer {
  readonly name: string
  /** Files below this folder belong to the layer; `*` stands for one folder name, which makes a layer of each. */
  readonly folder: string
  /** Layers whose files it may import besides its own; `adapters/*` means all of them. */
  readonly imports: readonly string[]
  /** npm packages: any declared one that `PACKAGES` places here, or none. */
  readonly packages: 'any' | 'none'
  /** Modules of Node: any, or only these. */
  readonly node: 'any' | readonly string[]
}

const SERVICES = ['gateway', 'provider', 'membership', 'mesh', 'accounts', 'models']
/** Hashing is a pure function of its input, so a service may call it; disk, network, clock and chance come through ports. */
const PURE_NODE_MODULES = ['node:crypto']

/** Arrows of docs/ARCHITECTURE.md §3. The first layer whose folder matches a file is its layer. */
export const LAYERS: readonly Layer[] = [
  { name: 'core', folder: 'src/core', imports: [], packages: 'any', node: [] },
  { name: 'ports', folder: 'src/ports', imports: ['core'], packages: 'none', node: [] },
  ...SERVICES.map((name) => ({
    name,
    folder: `src/${name}`,
    imports: ['core', 'ports'],
    packages: 'none' as const,
    node: PURE_NODE_MODULES,
  })),
  { name: 'adapters/*', folder: 'src/adapters/*', imports: ['core', 'ports'], packages: 'any', node: 'any' },
  { name: 'http', folder: 'src/http', imports: ['core', 'ports', ...SERVICES], packages: 'any', node: 'any' },
  {
    name: 'compose',
    folder: 'src/compose',
    imports: ['core', 'ports', ...SERVICES, 'adapters/*', 'http'],
    packages: 'any',
    node: 'any',
  },
  { name: 'cli', folder: 'src/cli', imports: ['core'], packages: 'any', node: 'any' },
  { name: 'test', folder: 'test', imports: ['*'], packages: 'any', node: 'any' },
  { name: 'bench', folder: 'bench', imports: ['*'], packages: 'any', node: 'any' },
  { name: 'scripts', folder: 'scripts', imports: ['core', 'compose', 'http'], packages: 'any', node: 'any' },
]

/** Imports that a layer's row forbids and that are right all the same. */
export const EXCEPTIONS: readonly { readonly from: RegExp; readonly to: RegExp; readonly reason: string }[] = [
  {
    from: /^src\/cli\/commands\/(serve|up)\.ts$/,
    to: /^src\/compose\//,
    reason: 'these two commands are where a node is constructed',
  },
  {
    from: /^src\/cli\//,
    to: /^src\/compose\/(config[a-z-]*|settings[a-z-]*|paths|near-word)\.ts$/,
    reason: 'every command reads the same configuration and finds the same files as the node does',
  },
  {
    from: /^src\/cli\/commands\/(identity|devices|network)-[a-z-]+\.ts$/,
    to: /^src\/compose\/offline-[a-z-]+\.ts$/,
    reason: 'these act on the files of this machine, whose node need not run',
  },
  {
    from: /\.test\.ts$/,
    to: /^(test\/|src\/adapters\/(memory|system)\/)/,
    reason: 'a test may use the contracts, the test support, and the adapters that stand for a quiet world',
  },
]

/** Where each package belongs: folders or files of `src`. Tests, benchmarks and scripts may use any declared package. */
export const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  '@bomb.sh/tab': ['src/cli'],
  '@chainsafe/libp2p-quic': ['src/adapters/libp2p'],
  '@libp2p/autonat': ['src/adapters/libp2p'],
  '@libp2p/circuit-relay-v2': ['src/adapters/libp2p'],
  '@libp2p/crypto': ['src/adapters/libp2p'],
  '@libp2p/dcutr': ['src/adapters/libp2p'],
  '@libp2p/gossipsub': ['src/adapters/libp2p'],
  '@libp2p/identify': ['src/adapters/libp2p'],
  '@libp2p/interface': ['src/adapters/libp2p'],
  '@libp2p/kad-dht': ['src/adapters/libp2p'],
  '@libp2p/mdns': ['src/adapters/libp2p'],
  '@libp2p/noise': ['src/adapters/libp2p'],
  '@libp2p/peer-id': ['src/adapters/libp2p'],
  '@libp2p/ping': ['src/adapters/libp2p'],
  '@libp2p/pnet': ['src/adapters/libp2p'],
  '@libp2p/tcp': ['src/adapters/libp2p'],
  '@libp2p/tls': ['src/adapters/libp2p'],
  '@libp2p/upnp-nat': ['src/adapters/libp2p'],
  '@libp2p/websockets': ['src/adapters/libp2p'],
  '@libp2p/yamux': ['src/adapters/libp2p'],
  '@multiformats/multiaddr': ['src/adapters/libp2p'],
  '@fastify/swagger': ['src/http'],
  '@huggingface/jinja': ['src/adapters/runtimes/llama'],
  '@prometheus-io/client': ['src/adapters', 'src/http'],
  '@scalar/fastify-api-reference': ['src/http'],
  cborg: ['src/core', 'src/adapters'],
  commander: ['src/cli'],
  'datastore-core': ['src/adapters/libp2p'],
  'env-paths': ['src/compose'],
  'eventsource-parser': ['src/adapters', 'src/cli'],
  fastify: ['src/http'],
  'fastify-type-provider-zod': ['src/http'],
  kysely: ['src/adapters/sql'],
  libp2p: ['src/adapters/libp2p'],
  'node-llama-cpp': ['src/adapters/runtimes/llama'],
  pino: ['src/adapters', 'src/compose'],
  'pino-pretty': ['src/adapters', 'src/compose', 'src/cli'],
  'rate-limiter-flexible': ['src/adapters/limits'],
  'smol-toml': ['src/compose'],
  'string-width': ['src/cli'],
  undici: ['src/adapters', 'src/cli'],
  zod: ['src/core/wire', 'src/http', 'src/compose'],
}

/** Packages that have no place here at all, tests included. */
export const BANNED_PACKAGES: readonly { readonly pattern: RegExp; readonly instead: string }[] = [
  { pattern: /^prom-client$/, instead: '@prometheus-io/client, its successor' },
  { pattern: /^drizzle/, instead: 'kysely' },
  { pattern: /^ioredis$/, instead: 'the redis client behind its port' },
  { pattern: /^(axios|node-fetch|got)$/, instead: 'undici' },
]

/** Globals that only their owners may touch; everybody else takes a port or a plain value. */
export const GLOBALS: readonly { readonly what: string; readonly pattern: RegExp; readonly owners: RegExp }[] = [
  { what: 'Date.now', pattern: /\bDate\.now\b|\bnew Date\(\)/, owners: /^src\/(adapters\/system|compose|cli)\// },
  { what: 'performance.now', pattern: /\bperformance\.now\b/, owners: /^src\/(adapters\/system|compose|cli)\// },
  { what: 'Math.random', pattern: /\bMath\.random\b/, owners: /^src\/(adapters\/system|compose|cli)\// },
  {
    what: 'randomness of node:crypto',
    pattern: /\b(randomUUID|randomBytes|randomInt|getRandomValues)\b/,
    owners: /^src\/(adapters\/system|compose|cli)\//,
  },
  { what: 'process.env', pattern: /\bprocess\.env\b/, owners: /^src\/(adapters\/system|compose|cli)\// },
  {
    what: 'process',
    // The engine's child process speaks to its parent over the process object's own channel.
    pattern: /(?<![.\w-])process\.(?!env\b)\w/,
    owners: /^src\/(adapters\/(system|runtimes\/llama)|compose|cli)\//,
  },
  { what: 'console', pattern: /(?<![.\w-])console\.\w/, owners: /^src\/(adapters\/system|compose|cli)\// },
  { what: 'fetch', pattern: /(?<![.\w#-])fetch\(/, owners: /^src\/cli\// },
  {
    what: 'setTimeout and setInterval',
    pattern: /(?<![.\w-])(setTimeout|setInterval)\(/,
    owners: /^src\/(adapters|compose|cli)\//,
  },
]

/** Folders whose files are programs rather than parts of one: they own their process, clock and output. */
export const FREE_FOLDERS = /^(test|bench|scripts)\//

/** File and folder names that say nothing about what is inside. */
export const EMPTY_NAMES = /^(utils?|types?|helpers?|common|misc|shared|index|lib|constants|interfaces)$/
export const KEBAB_CASE = /^[a-z0-9]+(-[a-z0-9]+)*$/
export const MAX_LINES = 300
