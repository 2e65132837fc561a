/** Which process listens on a TCP port of this machine; known on Linux, from /proc. */
import { readdir, readFile, readlink } from 'node:fs/promises'

export interface PortOwner {
  readonly pid: number
  /** The program's name as the system shows it. */
  readonly name: string
}

const LISTENING = '0A'

/** Undefined where nobody listens, the process belongs to somebody else, or the system does not tell. */
export async function portOwner(port: number): Promise<PortOwner | undefined> {
  const sockets = new Set([...(await listeners('/proc/net/tcp', port)), ...(await listeners('/proc/net/tcp6', port))])
  if (sockets.size === 0) return undefined
  for (const entry of await readdir('/proc').catch(() => [])) {
    if (/^\d+$/.test(entry) && (await holds(entry, sockets))) {
      const name = await readFile(`/proc/${entry}/comm`, 'utf8').catch(() => 'unknown')
      return { pid: Number(entry), name: name.trim() }
    }
  }
  return undefined
}

/** Socket inodes that listen on `port`. A line holds: slot, local address:port, remote, state, …, inode as the tenth field. */
async function listeners(table: string, port: number): Promise<string[]> {
  const lines = (await readFile(table, 'utf8').catch(() => '')).split('\n').slice(1)
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    return fields[1]?.endsWith(suffix) && fields[3] === LISTENING && fields[9] ? [fields[9]] : []
  })
}

async function holds(pid: string, sockets: ReadonlySet<string>): Promise<boolean> {
  for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
    if (inode !== undefined && sockets.has(inode)) return true
  }
  return false
}
