/** The machines that a page of the documentation tells of: on this one, each with a home, ports and files of its own. */
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cleanEnv, type RunningCheckout, root, startCheckout } from './running-checkout.ts'

export interface PageMachine {
  readonly home: string
  /** What its shell has. */
  readonly env: NodeJS.ProcessEnv
  readonly url: string
  /** Without its id. */
  readonly meshAddress: string
}

/** How a machine differs from one on which nobody did anything yet. */
export interface MachineOptions {
  readonly runtimes?: string
  /** Its node knows that machine's as mDNS would make it known on a LAN; real mDNS would find nodes of other tests as well. */
  readonly onLanOf?: string
}

/** Machine `a` has a node that was started with `npm start`; on the others nothing runs. Whoever called disposes it. */
export class PageMachines implements AsyncDisposable {
  /** Where the snippets run: it looks like a checkout, and files that they write stay out of this one. */
  readonly folder = mkdtempSync(join(tmpdir(), 'heddle-page-'))
  readonly #machines = new Map<string, PageMachine>()
  #first: RunningCheckout | undefined

  constructor() {
    for (const name of ['package.json', '.npmrc', 'scripts', 'models', 'node_modules'])
      if (existsSync(join(root, name))) symlinkSync(join(root, name), join(this.folder, name))
  }

  /** @param others by name, besides `a` */
  static async open(others: Readonly<Record<string, MachineOptions>>): Promise<PageMachines> {
    const machines = new PageMachines()
    try {
      await machines.#add('a', {})
      for (const [name, options] of Object.entries(others)) await machines.#add(name, options)
      return machines
    } catch (error) {
      await machines[Symbol.asyncDispose]()
      throw error
    }
  }

  of(name: string): PageMachine {
    const machine = this.#machines.get(name)
    if (machine === undefined) throw new Error(`the page has no machine "${name}"`)
    return machine
  }

  all(): readonly PageMachine[] {
    return [...this.#machines.values()]
  }

  /** What `npm start` has printed on machine `a`. */
  output(): string {
    return this.#first?.output() ?? ''
  }

  /** What nodes have written that were started by `heddle up`. */
  logs(): string {
    const files = this.all().map(({ home }) => join(home, 'state', 'heddle.log'))
    return files.map((file) => (existsSync(file) ? readFileSync(file, 'utf8') : '')).join('')
  }

  async #add(name: string, { runtimes = 'llama', onLanOf }: MachineOptions): Promise<void> {
    const http = `127.0.0.1:${await freePort()}`
    const mesh = await freePort()
    const own = {
      HEDDLE_HTTP_LISTEN: http,
      HEDDLE_MESH_LISTEN: `127.0.0.1:${mesh}`,
      HEDDLE_MESH_LAN: 'false',
      HEDDLE_BOOTSTRAP: onLanOf === undefined ? '' : this.of(onLanOf).meshAddress,
      HEDDLE_RUNTIMES: runtimes,
      HEDDLE_MODELS_DISK_RESERVE: '1MiB',
    }
    const place = { url: `http://${http}`, meshAddress: `/ip4/127.0.0.1/tcp/${mesh}` }
    if (name === 'a') {
      this.#first = await startCheckout(own)
      const { home, env } = this.#first
      this.#machines.set(name, { home, env, ...place })
    } else {
      const home = join(this.folder, `home-${name}`)
      mkdirSync(home, { mode: 0o700 })
      this.#machines.set(name, { home, env: { ...cleanEnv(home), ...own }, ...place })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { env } of this.all())
      spawnSync('npm', ['run', '-s', 'heddle', '--', 'down', '--now'], { cwd: root, env, stdio: 'ignore' })
    await this.#first?.[Symbol.asyncDispose]()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A port that is free together with the next one, on which WebSocket listens. */
async function freePort(): Promise<number> {
  for (;;) {
    await using first = await listening(0)
    await using second = await listening(first.port + 1)
    if (second.port !== 0) return first.port
  }
}

/** Port 0 where it is taken. */
async function listening(port: number): Promise<AsyncDisposable & { readonly port: number }> {
  const server: Server = createServer()
  const close = async (): Promise<void> => {
    if (!server.listening) return
    server.close()
    await once(server, 'close')
  }
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch {
    return { port: 0, [Symbol.asyncDispose]: close }
  }
  const address = server.address()
  return { port: typeof address === 'object' ? (address?.port ?? 0) : 0, [Symbol.asyncDispose]: close }
}
