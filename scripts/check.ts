/** `npm run check`: types, lint, format and architecture, one line each; `--write` formats instead of complaining. */
import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'
import { parseArgs } from 'node:util'

const root = join(import.meta.dirname, '..')
const bin = join(root, 'node_modules', '.bin')

interface Step {
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
}

const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } })

const node = (...args: string[]): Pick<Step, 'command' | 'args'> => ({ command: process.execPath, args })
/** The JavaScript entry of an installed program: starting it with our own Node keeps an old one on PATH out of it. */
const program = (path: string, ...args: string[]) => node(join(root, 'node_modules', path), ...args)

const formatStep: Step = {
  name: values.write ? 'format --write' : 'format',
  ...program('@biomejs/biome/bin/biome', 'check', ...(values.write ? ['--write'] : ['--error-on-warnings']), '.'),
}
const steps: readonly Step[] = [
  // Formatting comes first with --write, so that the other steps judge the files as they will be committed.
  ...(values.write ? [formatStep] : []),
  { name: 'types', ...program('typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit') },
  { name: 'types of core', ...program('typescript/bin/tsc', '-p', 'src/core/tsconfig.json', '--noEmit') },
  { name: 'lint', ...program('oxlint/bin/oxlint', '--type-aware', '-c', '.oxlintrc.json') },
  ...(values.write ? [] : [formatStep]),
  { name: 'architecture', ...node('--test', '--test-reporter=spec', 'test/architecture.test.ts') },
]

let failed = 0
for (const step of steps) {
  const startedAt = performance.now()
  const { code, output } = await run(step)
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'}  ${step.name.padEnd(14)} ${seconds.padStart(5)} s\n`)
  if (code === 0) continue
  failed += 1
  process.stdout.write(`${output.trimEnd()}\n`)
}
process.exitCode = failed === 0 ? 0 : 1

/** Runs one step to its end and keeps what it printed; a program that cannot start counts as failed. */
function run({ command, args }: Step): Promise<{ code: number; output: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number; output: string }>()
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}` }
  const child = spawn(command, args, { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
  child.on('error', (error) => resolve({ code: 1, output: error.message }))
  child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') }))
  return promise
}
