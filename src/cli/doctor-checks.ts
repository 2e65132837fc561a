/** What `heddle doctor` looks at, in this order. */
import { access, constants, stat, statfs } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { type Config, loadConfig } from '../compose/config.ts'
import { HeddleError } from '../core/errors.ts'
import type { Status } from '../core/wire/admin.ts'
import { bytesText, counted } from './amounts.ts'
import type { ApiClient } from './api-client.ts'
import type { Context } from './context.ts'
import { ownVersion } from './own-version.ts'

export interface Finding {
  readonly result: 'pass' | 'warn' | 'fail'
  readonly message: string
  /** A command or an edit that mends it. */
  readonly fix: string | null
}

type Check = (context: Context) => Promise<readonly Finding[]>

export const CHECKS: readonly (readonly [name: string, look: Check])[] = [
  ['program', program],
  ['configuration', configuration],
  ['data folder', dataFolder],
  ['disk', disk],
  ['secret files', secretFiles],
  ['engine', engine],
  ['node', node],
  ['health', health],
]

const pass = (message: string): readonly Finding[] => [{ result: 'pass', message, fix: null }]
const warn = (message: string, fix: string | null = null): readonly Finding[] => [{ result: 'warn', message, fix }]
const fail = (message: string, fix: string | null = null): readonly Finding[] => [{ result: 'fail', message, fix }]

const configOf = ({ env, options }: Context): Config => loadConfig({ env, configFile: options.config })

async function program(): Promise<readonly Finding[]> {
  return pass(`heddle ${ownVersion()}, Node.js ${process.version}, ${process.platform}-${process.arch}`)
}

async function configuration(context: Context): Promise<readonly Finding[]> {
  const { settings, warnings } = configOf(context)
  const set = settings.filter(({ origin }) => origin.from !== 'default').length
  return [
    ...pass(`${counted(set, 'setting')} set, the others have their defaults`),
    ...warnings.flatMap((warning) => warn(warning, 'heddle config list --show-origin')),
  ]
}

async function dataFolder({ paths }: Context): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const folder of [paths.data, paths.state]) {
    const existing = await nearestExisting(folder)
    const writable = await access(existing, constants.W_OK | constants.X_OK).then(
      () => true,
      () => false,
    )
    if (!writable) findings.push(...fail(`${folder} cannot be written`, `chown -R "$(id -un)" '${existing}'`))
  }
  return findings.length > 0 ? findings : pass(`${paths.data} can be written`)
}

async function nearestExisting(folder: string): Promise<string> {
  const there = await stat(folder).then(
    () => true,
    () => false,
  )
  return there || dirname(folder) === folder ? folder : nearestExisting(dirname(folder))
}

/** Less than this and the state file soon cannot grow. */
const LITTLE_DISK_BYTES = 1e9

async function disk(context: Context): Promise<readonly Finding[]> {
  const { bavail, bsize } = await statfs(await nearestExisting(context.paths.data))
  const free = bavail * bsize
  const reserve = configOf(context).models.diskReserveBytes
  const text = `${bytesText(free)} free`
  if (free < LITTLE_DISK_BYTES)
    return fail(`${text}: the request log and new keys may not fit`, `df -h '${context.paths.data}'`)
  if (free < reserve)
    return warn(
      `${text}: models cannot be pulled, for ${bytesText(reserve)} stay free`,
      'heddle config set models.disk_reserve 2GiB',
    )
  return pass(text)
}

async function secretFiles({ paths }: Context): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const path of [paths.adminKeyFile, paths.defaultKeyFile]) {
    const found = await stat(path).catch(() => undefined)
    if (found === undefined || process.platform === 'win32' || (found.mode & 0o077) === 0) continue
    findings.push(...fail(`others than you may read ${path}`, `chmod 600 '${path}'`))
  }
  return findings.length > 0 ? findings : pass('only you may read them')
}

async function engine(context: Context): Promise<readonly Finding[]> {
  const { runtimes } = configOf(context)
  const wanted = runtimes === 'auto' || runtimes.includes('llama')
  if (!wanted) return pass('not asked for')
  try {
    import.meta.resolve('node-llama-cpp')
    return pass('llama.cpp is installed')
  } catch {
    const text = 'llama.cpp is not installed, so this node runs no models itself'
    return runtimes === 'auto' ? warn(text) : fail(text, 'npm install --include=optional')
  }
}

async function node(context: Context): Promise<readonly Finding[]> {
  const running = await runningStatus(context)
  if (running === undefined) return freePort(context)
  const { client, status } = running
  const findings = [
    ...pass(`runs at ${status.http.url}, pid ${client.address.pid ?? 'unknown'}, version ${status.version}`),
  ]
  if (status.version !== ownVersion()) {
    findings.push(
      ...warn(`the node is of version ${status.version}, this program of ${ownVersion()}`, 'heddle down && heddle up'),
    )
  }
  return findings
}

async function freePort(context: Context): Promise<readonly Finding[]> {
  const { host, port } = configOf(context).http.listen
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const server = createServer()
    server.once('error', resolve)
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)))
  })
  if (error === undefined) return warn(`not running; ${host}:${port} is free`, 'heddle up')
  if (error.code === 'EADDRINUSE') {
    return fail(`not running, and another program has port ${port}`, `heddle up --listen ${host}:${port + 1}`)
  }
  return fail(`not running, and cannot listen on ${host}:${port} (${error.code})`, 'heddle up --listen 127.0.0.1:11440')
}

async function health(context: Context): Promise<readonly Finding[]> {
  const running = await runningStatus(context)
  if (running === undefined) return warn('not known while no node runs')
  const items = running.status.health.filter(({ severity }) => severity !== 'info')
  if (items.length === 0) return pass(`${running.status.state}, ${counted(running.status.models, 'model')}`)
  return items.map(({ severity, message, fix }) => ({ result: severity === 'error' ? 'fail' : 'warn', message, fix }))
}

async function runningStatus(context: Context): Promise<{ client: ApiClient; status: Status } | undefined> {
  try {
    const client = await context.node()
    const status = await client.document<Status>('/api/v1/status', 'heddle.status/v1', { signal: context.signal })
    return { client, status }
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'daemon_down') return undefined
    throw error
  }
}
