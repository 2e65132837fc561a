/** Gets a checkout ready to run: installs the locked packages when they are missing or stale. Plain JavaScript without dependencies, so that any Node from 18 on can run it. */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.heddle-installed')
const lock = join(root, '.heddle-installing')
const STALE_LOCK_MS = 15 * 60_000

/** How our own processes are started. V8 grows its young generation to 48 MiB at start and keeps it; a quarter of that serves as fast. */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=4']
/** Types are stripped once; from the second start on neither the time nor the memory for it is needed. */
export const NODE_ENVIRONMENT = { NODE_COMPILE_CACHE: join(modules, '.cache', 'heddle-compile') }

/** The Node that the locked packages brought, else the one running this script where it is new enough. */
export function nodeBinary() {
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const bundled = join(modules, '.bin', `node${suffix}`)
  if (existsSync(bundled)) return bundled
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > 24 || (major === 24 && minor >= 12)) return process.execPath
  throw new Error(
    `heddle needs Node 24.12 or newer; this is ${process.versions.node} and no package carries a newer one for ${process.platform}-${process.arch}. Install Node 24 and run the command again.`,
  )
}

function wanted() {
  const hash = createHash('sha256')
  for (const file of ['package.json', 'package-lock.json']) hash.update(readFileSync(join(root, file)))
  return `${hash.digest('hex')} ${process.platform}-${process.arch}`
}

function isReady() {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted()
}

/** Installs what package-lock.json names unless that was done already; two commands at once wait for each other. */
export function setup() {
  if (isReady()) return
  takeLock()
  try {
    if (isReady()) return
    process.stderr.write('heddle: installing the locked packages (once, about half a minute)\n')
    const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
    // Not `npm ci`: it refuses a lockfile that lacks an optional package of another platform.
    const result = spawnSync(
      npm,
      ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'],
      { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' },
    )
    if (result.status !== 0) {
      process.stderr.write('heddle: npm could not install the packages; the lines above say why\n')
      process.exit(1)
    }
    // Anew, not over: in a copied checkout the old file may be the same one as in the original.
    rmSync(stamp, { force: true })
    writeFileSync(stamp, wanted())
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function takeLock() {
  for (;;) {
    try {
      mkdirSync(lock)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0)
      if (age > STALE_LOCK_MS) rmSync(lock, { recursive: true, force: true })
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}
