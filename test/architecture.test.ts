/** Keeps the arrows and bans of docs/ARCHITECTURE.md §3; each rule first proves on a made-up tree that it can fail. */
import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import { describe, it } from 'node:test'
import { checkTree, type RuleName, type Tree } from './architecture/check-tree.ts'
import { checkPackages, readLockfile, readPackageJson, readText, readTree, root } from './architecture/read-tree.ts'
import { LAYERS, PACKAGES } from './architecture/rules.ts'
import { codeOf, importsOf } from './architecture/source-text.ts'

const FIRST = '/** What this is. */\n'

/** A sound little tree; each case below spoils one thing in it. */
const SOUND: Readonly<Record<string, string>> = {
  'src/core/ids.ts': `${FIRST}export type Id = string\n`,
  'src/ports/clock.ts': `${FIRST}import type { Id } from '../core/ids.ts'\nexport interface Clock {\n  now(): Id\n}\n`,
  'src/gateway/request.ts': `${FIRST}import type { Clock } from '../ports/clock.ts'\n// Date.now and console.log are only named here\nexport const f = (c: Clock): string => c.now()\n`,
  'src/adapters/system/clock.ts': `${FIRST}import { hrtime } from 'node:process'\nimport type { Clock } from '../../ports/clock.ts'\nexport const clock: Clock = { now: () => String(Date.now()) + hrtime() }\n`,
  'src/adapters/sql/store.ts': `${FIRST}import { sql } from 'kysely'\nexport const q = sql\n`,
  'src/compose/parts.ts': `${FIRST}import { clock } from '../adapters/system/clock.ts'\nexport const c = clock\n`,
  'src/cli/commands/serve.ts': `${FIRST}import { c } from '../../compose/parts.ts'\nexport const d = c\n`,
  'src/gateway/request.test.ts': `${FIRST}import fc from 'fast-check'\nimport { clock } from '../adapters/system/clock.ts'\nexport const x = [fc, clock]\n`,
}

function treeOf(changes: Readonly<Record<string, string>> = {}): Tree {
  return {
    files: new Map(Object.entries({ ...SOUND, ...changes })),
    runtimePackages: new Set(['kysely', 'zod', 'undici', 'prom-client']),
    devPackages: new Set(['fast-check']),
    otherFiles: new Set(['package.json']),
  }
}

interface Case {
  readonly file: string
  readonly text: string
  /** Where the offence is, when not on line 2. */
  readonly line?: number
  readonly also?: Readonly<Record<string, string>>
}

/** For each rule at least one tree that breaks it and nothing else. */
const BROKEN: Readonly<Record<RuleName, readonly Case[]>> = {
  layer: [
    { file: 'src/core/a.ts', text: `${FIRST}import type { Clock } from '../ports/clock.ts'\n` },
    { file: 'src/gateway/a.ts', text: `${FIRST}import { q } from '../adapters/sql/store.ts'\n` },
    { file: 'src/adapters/sql/a.ts', text: `${FIRST}import { clock } from '../system/clock.ts'\n` },
    { file: 'src/provider/a.ts', text: `${FIRST}import { f } from '../gateway/request.ts'\n` },
    { file: 'src/http/a.ts', text: `${FIRST}import { q } from '../adapters/sql/store.ts'\n` },
    { file: 'src/cli/commands/ps.ts', text: `${FIRST}import { c } from '../../compose/parts.ts'\n` },
    { file: 'src/cli/a.ts', text: `${FIRST}const m = await import('../gateway/request.ts')\n` },
    { file: 'src/gateway/a.test.ts', text: `${FIRST}import { q } from '../adapters/sql/store.ts'\n` },
  ],
  'unknown layer': [
    { file: 'src/misplaced/a.ts', text: FIRST, line: 1 },
    { file: 'src/adapters/loose.ts', text: FIRST, line: 1 },
  ],
  'unresolved import': [{ file: 'src/core/a.ts', text: `${FIRST}import type { Id } from './gone.ts'\n` }],
  'outside the repository': [
    { file: 'test/a.ts', text: `${FIRST}import x from '../../elsewhere/x.ts'\n` },
    { file: 'test/a.ts', text: `${FIRST}import x from '/opt/x.ts'\n` },
    { file: 'test/a.ts', text: `${FIRST}import x from 'https://example.com/x.ts'\n` },
  ],
  'package not declared': [
    { file: 'src/http/a.ts', text: `${FIRST}import x from 'left-pad'\n` },
    { file: 'src/http/a.ts', text: `${FIRST}import fc from 'fast-check'\n` },
    { file: 'src/compose/a.ts', text: `${FIRST}import fs from 'fs'\n` },
  ],
  'package not allowed here': [
    { file: 'src/http/a.ts', text: `${FIRST}import { sql } from 'kysely'\n` },
    { file: 'src/gateway/a.ts', text: `${FIRST}import { request } from 'undici'\n` },
    { file: 'src/core/a.ts', text: `${FIRST}import { z } from 'zod'\n` },
    { file: 'src/ports/a.ts', text: `${FIRST}import type { ZodType } from 'zod/v4'\n` },
  ],
  'package banned': [{ file: 'test/a.ts', text: `${FIRST}import client from 'prom-client'\n` }],
  'node module not allowed here': [
    { file: 'src/core/a.ts', text: `${FIRST}import { createHash } from 'node:crypto'\n` },
    { file: 'src/models/a.ts', text: `${FIRST}import {\n  open,\n} from 'node:fs/promises'\n`, line: 4 },
  ],
  'global not allowed here': [
    { file: 'src/gateway/a.ts', text: `${FIRST}export const at = Date.now()\n` },
    { file: 'src/gateway/a.ts', text: `${FIRST}export const at = () => new Date()\n` },
    { file: 'src/adapters/sql/a.ts', text: `${FIRST}export const at = () => Math.random()\n` },
    { file: 'src/http/a.ts', text: `${FIRST}export const at = () => process.env['HOME']\n` },
    { file: 'src/http/a.ts', text: `${FIRST}export const at = () => process.exit(1)\n` },
    { file: 'src/provider/a.ts', text: `${FIRST}export const at = () => console.log(1)\n` },
    { file: 'src/gateway/a.ts', text: `${FIRST}export const at = () => setTimeout(at, 1)\n` },
    { file: 'src/adapters/sql/a.ts', text: `${FIRST}export const at = () => fetch('x')\n` },
    { file: 'src/accounts/a.ts', text: `${FIRST}export const at = () => crypto.randomUUID()\n` },
    { file: 'src/accounts/a.ts', text: `${FIRST}export const at = () => \`a \${Date.now()} b\`\n` },
  ],
  barrel: [
    { file: 'src/core/a.ts', text: `${FIRST}export * from './ids.ts'\n` },
    { file: 'src/core/a.ts', text: `${FIRST}export type { Id } from './ids.ts'\n` },
  ],
  'default export': [
    { file: 'src/core/a.ts', text: `${FIRST}export default 1\n` },
    { file: 'src/core/a.ts', text: `${FIRST}const a = 1\nexport { a as default }\n`, line: 3 },
  ],
  cycle: [
    {
      file: 'src/core/b.ts',
      text: `${FIRST}import type { A } from './a.ts'\nexport type B = A\n`,
      also: { 'src/core/a.ts': `${FIRST}import type { B } from './b.ts'\nexport type A = B\n` },
    },
    { file: 'src/core/a.ts', text: `${FIRST}import type { A } from './a.ts'\nexport type B = A\n` },
  ],
  'file too long': [{ file: 'src/core/a.ts', text: `${FIRST}${'// line\n'.repeat(300)}`, line: 301 }],
  'no first line': [
    { file: 'src/core/a.ts', text: 'export const a = 1\n', line: 1 },
    { file: 'src/core/a.ts', text: '/** What this is,\n * told too late. */\n', line: 1 },
  ],
  'empty name': [
    { file: 'src/core/utils.ts', text: FIRST, line: 1 },
    { file: 'src/core/helpers/a.ts', text: FIRST, line: 1 },
    { file: 'src/core/index.ts', text: FIRST, line: 1 },
  ],
  'not kebab-case': [{ file: 'src/core/nodeRecord.ts', text: FIRST, line: 1 }],
  'module state': [{ file: 'src/core/a.ts', text: `${FIRST}let count = 0\nexport const f = () => (count += 1)\n` }],
  'test switched off': [
    { file: 'src/core/a.test.ts', text: `${FIRST}it.skip('works', () => {})\n` },
    { file: 'src/core/a.test.ts', text: `${FIRST}it('works', { only: true }, () => {})\n` },
    { file: 'src/core/a.test.ts', text: `${FIRST}it('works', { todo: 'later' }, () => {})\n` },
  ],
}

describe('the rules of the architecture', () => {
  it('find nothing in a sound tree', () => {
    assert.deepEqual(checkTree(treeOf()), [])
  })

  for (const [rule, cases] of Object.entries(BROKEN)) {
    it(`tell of: ${rule}`, () => {
      for (const { file, text, line = 2, also } of cases) {
        const found = checkTree(treeOf({ ...also, [file]: text })).map(
          (each) => `${each.rule} ${each.file}:${each.line}`,
        )
        assert.deepEqual(found, [`${rule} ${file}:${line}`], text)
      }
    })
  }

  it('read code and not what is written about it', () => {
    const source = [
      `import a from 'a' // import b from 'b'`,
      `/* import c from 'c' */ const d = "import e from 'e'"`,
      'const f = `',
      `import g from 'g' \${await import('h')} {`,
      "` + d.replace(/[/'\"`]/g, '`')",
      `export { i } from "i"`,
      `const j = 4 / 2 / 1; import.meta.resolve('k')`,
    ].join('\n')
    const found = importsOf(source, codeOf(source)).map(({ specifier }) => specifier)
    assert.deepEqual(found.toSorted(), ['a', 'h', 'i'])
  })

  it('tell of packages that are loosely named, resolved to an address or not explained', () => {
    const manifest = { dependencies: { a: '^1.0.0', b: '1.0.0' }, optionalDependencies: {}, devDependencies: {} }
    const lockfile = { packages: { 'node_modules/a': { resolved: 'https://example.com/a.tgz' } } }
    assert.deepEqual(checkPackages(manifest, lockfile, 'we use `a`'), [
      'a: ^1.0.0 is not an exact version',
      'package-lock.json: node_modules/a has a resolved address',
      'package-lock.json: node_modules/a points at an address',
      'b: docs/decisions/ does not say why it is needed',
    ])
  })
})

describe('this checkout', () => {
  const tree = readTree()

  it('has sources in every folder the rules speak of', () => {
    assert.ok(tree.files.size > 50, `only ${tree.files.size} files were found`)
    const layers = ['src/core', 'src/ports', 'src/adapters', 'src/compose', 'test', 'scripts']
    for (const folder of layers)
      assert.ok(
        [...tree.files.keys()].some((file) => file.startsWith(`${folder}/`)),
        folder,
      )
  })

  it('keeps every rule', () => {
    const found = checkTree(tree).map(({ rule, file, line, what }) => `${file}:${line}: ${rule}: ${what}`)
    assert.deepEqual(found, [])
  })

  it('places only packages that package.json names', () => {
    const planned = new Set(['cborg'])
    const unknown = Object.keys(PACKAGES).filter((name) => !tree.runtimePackages.has(name) && !planned.has(name))
    assert.deepEqual(unknown, [])
  })

  it('has only layers that the design names', () => {
    const table = readText('docs/ARCHITECTURE.md')
    for (const { name, folder } of LAYERS) {
      if (!folder.startsWith('src/')) continue
      assert.ok(table.includes(`\`${name.replace('*', '<name>')}\``), `docs/ARCHITECTURE.md does not name ${name}`)
    }
  })

  it('names packages exactly, says why each is needed and does not say where they were fetched', () => {
    const decisions = globSync('docs/decisions/*.md', { cwd: root }).map(readText).join('\n')
    assert.deepEqual(checkPackages(readPackageJson(), readLockfile(), decisions), [])
  })

  it('compiles core without the types of Node and the DOM', () => {
    const { compilerOptions } = JSON.parse(readText('src/core/tsconfig.json')) as {
      compilerOptions: { types: string[]; lib: string[] }
    }
    assert.deepEqual(compilerOptions.types, [])
    assert.ok(!compilerOptions.lib.some((lib) => /dom|webworker/i.test(lib)))
  })
})
