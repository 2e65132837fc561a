/** Which node a command speaks to, and with which key. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Paths } from '../compose/paths.ts'
import { HeddleError } from '../core/errors.ts'
import type { NodeAddress } from './api-client.ts'

/** What a running node writes about itself. */
export interface NodeFileContent {
  readonly pid: number
  readonly url: string
  readonly startedAt: string
  readonly version: string
}

export interface FindNodeOptions {
  readonly paths: Pick<Paths, 'nodeFile' | 'adminKeyFile' | 'defaultKeyFile'>
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--host` */
  readonly host: string | undefined
  /** `--api-key-file`; `-` means stdin. */
  readonly keyFile: string | undefined
}

/** Throws `daemon_down` where no node runs on this machine and none was named. */
export async function findNode({ paths, env, host, keyFile }: FindNodeOptions): Promise<NodeAddress> {
  const given = keyFile === undefined ? env['HEDDLE_API_KEY'] || undefined : await readKey(keyFile)
  const named = host ?? (env['HEDDLE_HOST'] || undefined)
  const local = await readNodeFile(paths.nodeFile)
  if (named !== undefined) {
    const url = parseHost(named)
    // This node's own keys go nowhere but to this node.
    if (url !== local?.url) return { url, key: given, inferenceKey: given, pid: undefined }
  }
  if (local === undefined || !isAlive(local.pid)) throw daemonDown()
  return {
    url: local.url,
    key: given ?? (await readKeyIfThere(paths.adminKeyFile)),
    inferenceKey: given ?? (await readKeyIfThere(paths.defaultKeyFile)),
    pid: local.pid,
  }
}

export const daemonDown = (): HeddleError =>
  new HeddleError('daemon_down', 'the node is not running', { fix: 'heddle up' })

/** The file's content; undefined where no node wrote one, or it is being written right now. */
export async function readNodeFile(path: string): Promise<NodeFileContent | undefined> {
  try {
    const content = JSON.parse(await readFile(path, 'utf8')) as Partial<NodeFileContent>
    if (typeof content.pid !== 'number' || typeof content.url !== 'string') return undefined
    return { pid: content.pid, url: content.url, startedAt: content.startedAt ?? '', version: content.version ?? '' }
  } catch {
    return undefined
  }
}

/** Whether a process of that id runs, whoever it belongs to. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !hasEnded(pid)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** An ended process keeps its id until its parent asks for it, which in many a container nobody does. */
function hasEnded(pid: number): boolean {
  try {
    // The state follows the name of the program, which may hold anything in its brackets.
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.startsWith('Z') === true
  } catch {
    // There is no /proc here.
    return false
  }
}

/** `gateway:11440`, `10.0.0.2` or a URL, as a URL without a trailing slash. */
export function parseHost(text: string): string {
  const withScheme = /^https?:\/\//.test(text) ? text : `http://${text}${/:\d+$/.test(text) ? '' : ':11440'}`
  if (URL.canParse(withScheme)) {
    const url = new URL(withScheme)
    if (url.username === '' && url.password === '') return `${url.origin}${url.pathname.replace(/\/+(v1\/?)?$/, '')}`
  }
  throw new HeddleError('usage', '--host takes a URL such as http://127.0.0.1:11440, without user and password')
}

async function readKey(path: string): Promise<string> {
  if (path === '-') {
    let text = ''
    for await (const chunk of process.stdin) text += String(chunk)
    return text.trim()
  }
  const key = await readKeyIfThere(path)
  if (key === undefined) throw new HeddleError('usage', `there is no key file ${path}`)
  return key
}

export async function readKeyIfThere(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new HeddleError('insufficient_scope', `cannot read the key file ${path}`, { cause })
  }
}
