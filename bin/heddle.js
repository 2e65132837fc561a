#!/usr/bin/env node
/** Starts heddle, or says in one sentence which Node it needs; this file keeps to what an old Node can read. */
const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 24 || (major === 24 && minor < 12)) {
  process.stderr.write(`heddle needs Node.js 24.12 or newer, and this is ${process.version}.\n`)
  process.exit(1)
}
import('node:fs')
  .then((fs) => {
    const built = new URL('../dist/cli/main.js', import.meta.url)
    return import(fs.existsSync(built) ? built.href : new URL('../src/cli/main.ts', import.meta.url).href)
  })
  .catch((error) => {
    process.stderr.write(`error: heddle cannot be loaded: ${error.stack}\n`)
    process.exitCode = 1
  })
