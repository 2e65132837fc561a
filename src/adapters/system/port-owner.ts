/** Which process listens on a TCP port of this machine. Only Linux tells without asking another program. */
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'

export interface PortOwner {
  readonly pid: number
  /** The program's file name, without its folder. */
  readonly name: string
}

const LISTENING = '0A'

/** The listener on `port`; undefined where there is none, or where it belongs to a user who hides it. */
export async function portOwner(port: number, { proc = '/proc' } = {}): Promise<PortOwner | undefined> {
  const inodes = new Set<string>()
  for (const table of ['tcp', 'tcp6']) {
    const text = await readFile(join(proc, 'net', table), 'utf8').catch(() => '')
    for (const inode of listenersIn(text, port)) inodes.add(inode)
  }
  if (inodes.size === 0) return undefined
  for (const entry of await readdir(proc).catch(() => [])) {
    if (/^\d+$/.test(entry) && (await holdsOne(join(proc, entry, 'fd'), inodes))) {
      return { pid: Number(entry), name: await nameOf(join(proc, entry)) }
    }
  }
  return undefined
}

/** Inodes of the sockets that listen on `port`, from `/proc/net/tcp` (columns: proc(5)). */
export function listenersIn(table: string, port: number): readonly string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTENING && local?.split(':')[1] === wanted)
    .map((columns) => columns[9] ?? '')
    .filter((inode) => inode !== '' && inode !== '0')
}

/** Of the command line rather than `comm`, which some programs use for the names of threads. */
async function nameOf(folder: string): Promise<string> {
  const commandLine = await readFile(join(folder, 'cmdline'), 'utf8').catch(() => '')
  const program = basename(commandLine.split('\0')[0] ?? '')
  return program === '' ? (await readFile(join(folder, 'comm'), 'utf8').catch(() => 'unknown')).trim() : program
}

async function holdsOne(folder: string, inodes: ReadonlySet<string>): Promise<boolean> {
  // Processes of other users hide their descriptors, and any process may end meanwhile.
  const descriptors = await readdir(folder).catch(() => [])
  for (const descriptor of descriptors) {
    const target = await readlink(join(folder, descriptor)).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined && inodes.has(inode)) return true
  }
  return false
}
