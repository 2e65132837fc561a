/** Networks of their own for tests: machines as network namespaces, switches, routers that translate addresses, and links that are cut. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'

const NODE = process.execPath

/** Why this process cannot make network namespaces; undefined where it can. */
export function namespacesMissing(): string | undefined {
  const name = `hdl-probe-${process.pid}`
  try {
    execFileSync('nft', ['-v'], { stdio: 'ignore' })
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' })
    execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' })
    return undefined
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error)
    return `no network namespaces (root, iproute2 and nftables are needed): ${reason}`
  }
}

export interface Machine {
  readonly name: string
  /** Of its namespace. */
  readonly namespace: string
  /** Its IPv4 address. */
  readonly address: string
}

export interface MachineOptions {
  /** The last byte of its address on the switch; at least 2. */
  readonly number: number
}

interface Switch {
  readonly bridge: string
  /** First three bytes. */
  readonly prefix: string
}

/** Names of interfaces hold at most 15 characters. */
function unique(): string {
  return `h${(process.pid % 46_656).toString(36)}${Math.floor(Math.random() * 1_296).toString(36)}`
}

/** One isolated world. Disposing it ends what runs in it and leaves nothing behind. */
export class NetworkLab implements Disposable {
  readonly #id = unique()
  readonly #namespaces: string[] = []
  readonly #children = new Set<ChildProcess>()
  readonly #switches = new Map<string, Switch>()
  readonly #ports = new Map<string, string>()
  /** The namespace of all switches. */
  readonly #core: string

  constructor() {
    this.#core = this.#namespace('sw')
  }

  /** A switch for machines with addresses `<prefix>.<number>`, e.g. `11.0.0`: private ranges are no public addresses to libp2p. */
  switch(name: string, prefix: string): void {
    const bridge = `b${this.#switches.size}`
    ip('-n', this.#core, 'link', 'add', bridge, 'type', 'bridge')
    ip('-n', this.#core, 'link', 'set', bridge, 'up')
    this.#switches.set(name, { bridge, prefix })
  }

  machine(name: string, on: string, { number }: MachineOptions): Machine {
    const namespace = this.#namespace(name)
    const address = this.#join(namespace, 'eth0', on, number)
    return { name, namespace, address }
  }

  /** A router between two switches: what `inside` sends leaves with its own address, and nothing new comes in. */
  nat(
    name: string,
    { inside, outside, number }: { readonly inside: string; readonly outside: string; readonly number: number },
  ): void {
    const namespace = this.#namespace(name)
    this.#join(namespace, 'in0', inside, 1)
    this.#join(namespace, 'out0', outside, number)
    run('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', 'net.ipv4.ip_forward=1'])
    const rules = [
      'add table ip nat',
      'add chain ip nat post { type nat hook postrouting priority 100 ; }',
      'add rule ip nat post oifname out0 masquerade',
      'add table ip filter',
      'add chain ip filter forward { type filter hook forward priority 0 ; policy drop ; }',
      'add rule ip filter forward ct state established,related accept',
      'add rule ip filter forward iifname in0 oifname out0 accept',
    ]
    for (const rule of rules) run('ip', ['netns', 'exec', namespace, 'nft', rule])
  }

  /** Sends what `machine` has no other way for to the router of its switch. */
  routeThroughNat({ namespace, address }: Machine): void {
    const router = address.replace(/\.\d+$/, '.1')
    ip('-n', namespace, 'route', 'add', 'default', 'via', router)
  }

  /** Puts these machines behind a switch of their own, so that they reach each other and nobody else. */
  split(machines: readonly Machine[]): void {
    const apart = 'apart'
    if (!this.#switches.has(apart)) this.switch(apart, '0.0.0')
    for (const machine of machines) this.#plug(machine, apart)
  }

  /** Puts these machines back onto the switch that they were made on. */
  heal(machines: readonly Machine[], on: string): void {
    for (const machine of machines) this.#plug(machine, on)
  }

  /** The command that runs what follows it on the machine. */
  on({ namespace }: Machine): readonly string[] {
    return ['ip', 'netns', 'exec', namespace]
  }

  /** Makes a port of the machine's loopback reachable from here as a socket file; resolves once it is. */
  async openDoor(machine: Machine, port: number, socketPath: string): Promise<void> {
    const script = `
      const net = require('node:net')
      net.createServer((outer) => {
        const inner = net.connect(${port}, '127.0.0.1')
        for (const [a, b] of [[outer, inner], [inner, outer]]) { a.pipe(b); a.on('error', () => b.destroy()); a.on('close', () => b.destroy()) }
      }).listen(${JSON.stringify(socketPath)}, () => console.log('open'))`
    const command = [...this.on(machine), NODE, '-e', script]
    const child = spawn(command[0] ?? NODE, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] })
    this.#children.add(child)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    child.stdout.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the door to ${machine.name} closed with ${code}`)))
    await promise
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL')
    for (const namespace of this.#namespaces) {
      try {
        for (const pid of run('ip', ['netns', 'pids', namespace]).split(/\s+/))
          if (pid !== '') process.kill(Number(pid), 'SIGKILL')
      } catch {
        // It ended by itself meanwhile.
      }
      ip('netns', 'del', namespace)
    }
  }

  #namespace(name: string): string {
    const namespace = `${this.#id}-${name}`
    ip('netns', 'add', namespace)
    this.#namespaces.push(namespace)
    ip('-n', namespace, 'link', 'set', 'lo', 'up')
    return namespace
  }

  #join(namespace: string, device: string, on: string, number: number): string {
    const { bridge, prefix } = this.#switchOf(on)
    const port = `v${this.#ports.size}`
    this.#ports.set(`${namespace} ${device}`, port)
    ip('link', 'add', port, 'netns', this.#core, 'type', 'veth', 'peer', 'name', device, 'netns', namespace)
    ip('-n', this.#core, 'link', 'set', port, 'master', bridge, 'up')
    const address = `${prefix}.${number}`
    ip('-n', namespace, 'addr', 'add', `${address}/24`, 'dev', device)
    ip('-n', namespace, 'link', 'set', device, 'up')
    // On a real machine multicast follows the default route; here there may be none.
    if (device === 'eth0') ip('-n', namespace, 'route', 'add', '224.0.0.0/4', 'dev', device)
    return address
  }

  #plug({ namespace }: Machine, on: string): void {
    const port = this.#ports.get(`${namespace} eth0`)
    if (port === undefined) throw new Error(`${namespace} has no cable`)
    ip('-n', this.#core, 'link', 'set', port, 'master', this.#switchOf(on).bridge)
  }

  #switchOf(name: string): Switch {
    const found = this.#switches.get(name)
    if (found === undefined) throw new Error(`there is no switch ${name}`)
    return found
  }
}

function ip(...args: readonly string[]): void {
  run('ip', args)
}

function run(command: string, args: readonly string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
