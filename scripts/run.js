/** Runs a TypeScript file of this checkout under the right Node, after setting the checkout up: `node scripts/run.js <file> [args…]`. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { NODE_ENVIRONMENT, NODE_FLAGS, nodeBinary, root, setup } from './setup.js'

setup()
const [file, ...args] = process.argv.slice(2)
const child = spawn(nodeBinary(), [...NODE_FLAGS, join(root, file), ...args], {
  stdio: 'inherit',
  env: { ...NODE_ENVIRONMENT, ...process.env },
})
// A terminal sends Ctrl+C to both; a supervisor signals only this process, so it is passed on.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  })
}
child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)))
child.on('error', (error) => {
  process.stderr.write(`heddle: cannot start ${nodeBinary()}: ${error.message}\n`)
  process.exit(1)
})
