/** Tests of model file names: what is taken, and the attacks that are not. */
import assert from 'node:assert/strict'
import { posix, win32 } from 'node:path'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { fileNameOf, modelIdOf, parseModelFileName, parseModelId } from './model-file-name.ts'

const ATTACKS = [
  '../x.gguf',
  '../../etc/x.gguf',
  'a/../../x.gguf',
  'a/../x.gguf',
  './x.gguf',
  'a/./x.gguf',
  '/etc/x.gguf',
  '//host/share/x.gguf',
  'a//x.gguf',
  '/x.gguf',
  'a/',
  '..%2fx.gguf',
  '.hidden.gguf',
  'a/.hidden/x.gguf',
  '.gguf',
  'a/.gguf',
  '..\\x.gguf',
  'a\\..\\x.gguf',
  'C:\\x.gguf',
  'C:x.gguf',
  'x.gguf:stream.gguf',
  'sha256:../../x.gguf',
  'x\0.gguf',
  'x.gguf\0',
  'x\n.gguf',
  'x\u202e.gguf',
  'x\ud800.gguf',
  'con.gguf',
  'nul.gguf',
  'COM1.gguf',
  'a./x.gguf',
  'a /x.gguf',
  ' x.gguf',
  'x.gguf.',
  'x.gguf ',
  'x.bin',
  'x',
  '',
  '*.gguf',
  'a/b/c/d/e/f.gguf',
  `${'x'.repeat(300)}.gguf`,
  `${'é'.repeat(150)}.gguf`,
]

describe('parseModelFileName', () => {
  for (const name of ATTACKS) {
    it(`refuses ${JSON.stringify(name).slice(0, 60)}`, () => {
      assert.equal(parseModelFileName(name), undefined)
    })
  }

  it('takes the names that people give to files', () => {
    for (const name of ['a.gguf', 'org/Name-1.5B-Q4_K_M.gguf', 'Mein Modell (2).GGUF', '模型.gguf', 'a/b/c/d/e.gguf']) {
      assert.equal(parseModelFileName(name), name)
    }
  })

  it('never takes a name that leads out of its folder', () => {
    const part = fc.oneof(
      fc.constantFrom('..', '.', '', '\\', '/', 'a', ':', '\0', '..%2f', ' '),
      fc.string({ maxLength: 4 }),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.constantFrom('', '/', '\\'), (parts, between) => {
        const name = parseModelFileName(`${parts.join(between)}.gguf`)
        if (name === undefined) return
        assert(posix.join('/models', name).startsWith('/models/'))
        assert(win32.join('C:\\models', name).startsWith('C:\\models\\'))
        assert.equal(posix.normalize(name), name)
      }),
      { numRuns: 5_000 },
    )
  })
})

describe('modelIdOf', () => {
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['tiny.gguf', 'tiny'],
    ['org/Name-Q4_K_M.GGUF', 'org/Name-Q4_K_M'],
    ['My Model (v2).gguf', 'My-Model-v2'],
    ['Modèle.gguf', 'Modele'],
    ['模型.gguf', undefined],
    ['-x-.gguf', 'x'],
  ]
  for (const [fileName, id] of cases) {
    it(`offers ${fileName} as ${id ?? 'nothing'}`, () => {
      const name = parseModelFileName(fileName)
      assert(name !== undefined)
      assert.equal(modelIdOf(name), id)
    })
  }
})

describe('fileNameOf', () => {
  it('makes the file of an id, and the id of that file again', () => {
    for (const id of ['tiny', 'org/name-1.5b', 'a+b=c@d_e.f']) {
      const name = fileNameOf(id)
      assert.equal(name, `${id}.gguf`)
      assert.equal(name === undefined ? undefined : modelIdOf(name), id)
    }
  })

  it('takes an id with its ending', () => {
    assert.equal(parseModelId('tiny.gguf'), 'tiny')
  })

  for (const id of [
    '',
    '.',
    '..',
    '../x',
    'a/../x',
    '/x',
    'x/',
    'a//x',
    'a./x',
    'x.',
    '-x',
    'a b',
    'a:b',
    'a\\b',
    'con',
    'x\0',
    'é',
  ]) {
    it(`refuses ${JSON.stringify(id)} as an id`, () => {
      assert.equal(parseModelId(id), undefined)
      assert.equal(fileNameOf(id), undefined)
    })
  }

  it('refuses an id that is too long or too deep', () => {
    assert.equal(parseModelId('x'.repeat(257)), undefined)
    assert.equal(parseModelId('a/b/c/d/e/f'), undefined)
  })
})
