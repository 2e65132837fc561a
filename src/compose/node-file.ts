/** The file by which commands find the node that runs on this machine. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

export interface NodeFile {
  readonly pid: number
  readonly url: string
  /** RFC 3339, UTC. */
  readonly startedAt: string
  readonly version: string
}

/** Writes it; disposing the result removes it, unless another node has put its own there. */
export async function writeNodeFile(path: string, node: NodeFile): Promise<AsyncDisposable> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const text = `${JSON.stringify(node)}\n`
  await writeFile(path, text, { mode: 0o600 })
  return {
    async [Symbol.asyncDispose]() {
      const now = await readFile(path, 'utf8').catch(() => undefined)
      if (now === text) await rm(path, { force: true })
    },
  }
}
