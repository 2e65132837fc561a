/** `npm test`: every test file under node's own runner, or the files named as arguments; its exit code is ours. */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'

const root = join(import.meta.dirname, '..')
const PATTERNS = ['test/**/*.test.ts', 'src/**/*.test.ts', 'bench/**/*.test.ts', 'scripts/**/*.test.ts']
/** A file that takes longer than this hangs; the slowest one starts several nodes and takes about a minute. */
const FILE_TIMEOUT_MS = 5 * 60_000
/** Tests start nodes of their own and measure times, so more files at once than this makes them slow, not fast. */
const CONCURRENCY = 2

const args = process.argv.slice(2)
const flags = args.filter((arg) => arg.startsWith('-'))
const named = args.filter((arg) => !arg.startsWith('-')).map((file) => relative(root, resolve(file)))
const files = named.length > 0 ? named : globSync(PATTERNS, { cwd: root }).toSorted()
if (files.length === 0) {
  process.stderr.write('heddle: no test files found\n')
  process.exit(1)
}

const child = spawn(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--test',
    '--test-reporter=spec',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${FILE_TIMEOUT_MS}`,
    ...flags,
    ...files,
  ],
  { cwd: root, stdio: 'inherit' },
)
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
child.on('error', (error) => {
  process.stderr.write(`heddle: cannot start the tests: ${error.message}\n`)
  process.exit(1)
})
child.on('exit', (code) => process.exit(code ?? 1))
