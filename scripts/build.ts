/** `npm run build`: compiles the sources and lays out the publishable package in dist/package. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { type PackageManifest, publishedManifest } from './published-manifest.ts'

const root = join(import.meta.dirname, '..')
const { values } = parseArgs({ options: { out: { type: 'string' } } })
const out = values.out === undefined ? join(root, 'dist', 'package') : resolve(values.out)

/** What goes in besides the compiled sources; each must exist. */
const COPIED = ['bin', 'models', 'docs', 'README.md', 'CHANGELOG.md', 'LICENSE', 'SECURITY.md']

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
// The compiled files lie as deep under the package as the sources under the checkout, so relative paths to models/ and bin/ hold.
const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
const compiled = spawnSync(
  process.execPath,
  [compiler, '-p', join(root, 'tsconfig.build.json'), '--outDir', join(out, 'dist')],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
if (compiled.status !== 0) process.exit(compiled.status ?? 1)

for (const name of COPIED) {
  if (!existsSync(join(root, name))) throw new Error(`${name} is missing, so the package would be incomplete`)
  cpSync(join(root, name), join(out, name), { recursive: true })
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageManifest
writeFileSync(join(out, 'package.json'), `${JSON.stringify(publishedManifest(manifest), undefined, 2)}\n`)
process.stdout.write(`built heddle ${manifest.version} in ${out}\n`)
