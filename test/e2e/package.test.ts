/** Packs the publishable package and runs it as an installed one: what is in it, what it may depend on, what an old Node is told. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { cleanEnv, root } from '../support/running-checkout.ts'

interface Packed {
  readonly filename: string
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

const MAX_UNPACKED_BYTES = 8 * 1024 * 1024

/** A Node older than the package needs, where the machine has one on its PATH. */
function oldNode(): string | undefined {
  const found = spawnSync('node', ['-p', 'process.versions.node'], { encoding: 'utf8', env: cleanEnv(tmpdir()) })
  const [major = 0, minor = 0] = (found.stdout ?? '').split('.').map(Number)
  return found.status === 0 && (major < 24 || (major === 24 && minor < 12)) ? 'node' : undefined
}

describe('the published package', () => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-package-'))
  const installed = join(folder, 'package')
  const env = cleanEnv(folder)
  let packed: Packed
  const run = (command: string, args: readonly string[], cwd: string) =>
    spawnSync(command, args, { cwd, env, encoding: 'utf8', timeout: 60_000 })

  before(() => {
    const built = run(process.execPath, [join(root, 'scripts/build.ts'), '--out', join(folder, 'built')], root)
    assert.equal(built.status, 0, built.stdout + built.stderr)
    const result = run(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
      join(folder, 'built'),
    )
    assert.equal(result.status, 0, result.stderr)
    packed = (JSON.parse(result.stdout) as [Packed])[0]
    assert.equal(run('tar', ['-xzf', packed.filename], folder).status, 0)
    symlinkSync(join(root, 'node_modules'), join(installed, 'node_modules'))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))

  it('holds the program, the model and the documentation, and nothing else', () => {
    const paths = packed.files.map(({ path }) => path)
    for (const path of ['package.json', 'bin/heddle.js', 'dist/cli/main.js', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
      assert.ok(paths.includes(path), `${path} is missing`)
    }
    assert.ok(
      paths.some((path) => /^models\/.*\.gguf$/.test(path)),
      'the model is missing',
    )
    const allowed =
      /^(package\.json|bin\/[\w-]+\.js|dist\/[\w/.-]+\.js|models\/[\w.-]+|docs\/[\w/.-]+\.md|[A-Z]+\.md|LICENSE)$/
    assert.deepEqual(
      paths.filter((path) => !allowed.test(path) || path.endsWith('.test.js')),
      [],
    )
    assert.ok(packed.unpackedSize < MAX_UNPACKED_BYTES, `${packed.unpackedSize} bytes`)
  })

  it('depends on the packages that it imports and drags along neither Node nor an engine', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Record<string, unknown>
    const checkout = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual(manifest['dependencies'], checkout['dependencies'])
    assert.deepEqual(manifest['peerDependenciesMeta'], { 'node-llama-cpp': { optional: true } })
    for (const key of ['scripts', 'devDependencies', 'optionalDependencies', 'overrides'])
      assert.equal(manifest[key], undefined, key)
    assert.doesNotMatch(JSON.stringify(manifest), /"node-(linux|darwin|win|bin)-|@node-llama-cpp|\^|file:/)
    assert.deepEqual(manifest['engines'], { node: '>=24.12' })
  })

  it('imports only files that are in it', () => {
    for (const { path } of packed.files.filter((file) => /^dist\/.*\.js$/.test(file.path))) {
      const text = readFileSync(join(installed, path), 'utf8')
      for (const [, specifier = ''] of text.matchAll(/(?:from|import|new URL\()\s*\(?\s*'(\.{1,2}\/[^']+)'/g)) {
        assert.ok(existsSync(join(installed, path, '..', specifier)), `${path} names ${specifier}`)
      }
    }
  })

  it('says its version', () => {
    const result = run(process.execPath, [join(installed, 'bin/heddle.js'), 'version'], folder)
    assert.equal(result.status, 0, result.stderr)
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    assert.ok(result.stdout.includes(version), result.stdout)
  })

  it('tells an old Node in one sentence what is needed', (t) => {
    const old = oldNode()
    if (old === undefined) {
      t.diagnostic('no old Node on PATH: checked that the guard stands before every import instead')
      assert.doesNotMatch(readFileSync(join(installed, 'bin/heddle.js'), 'utf8'), /^import /m)
      return
    }
    const result = run(old, [join(installed, 'bin/heddle.js'), 'version'], folder)
    assert.notEqual(result.status, 0)
    assert.equal(result.stdout, '')
    assert.match(result.stderr, /^heddle needs Node\.js 24\.12 or newer[^\n]*\n$/)
  })
})
