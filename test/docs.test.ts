/** Keeps the documentation true where a machine can: generated parts are fresh, links lead somewhere, words are the glossary's. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { GENERATED_PAGES, quantityOf, withPart } from '../scripts/docs-pages.ts'
import { EXIT } from '../src/cli/exit-codes.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = globSync(['*.md', 'docs/**/*.md', 'models/*.md', 'bench/*.md'], { cwd: root })

/** The anchor that a heading gets on the usual hosts. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-')

/** Links of a page that lead nowhere. */
function brokenLinks(page: string, text: string): readonly string[] {
  const prose = text.replaceAll(/```[\s\S]*?```|`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
    if (/^[a-z]+:/.test(link)) return []
    const [path = '', anchor] = link.split('#')
    const target = path === '' ? page : join(dirname(page), path)
    if (!existsSync(join(root, target))) return [`${page}: ${link}`]
    if (anchor === undefined) return []
    const headings = [...read(target).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))
    return headings.includes(anchor) ? [] : [`${page}: ${link}`]
  })
}

describe('the documentation', () => {
  for (const { path, make } of GENERATED_PAGES) {
    it(`has a fresh ${path} (npm run docs)`, () => {
      assert.equal(read(path), make(read(path)))
    })
  }

  it('has links that lead somewhere', () => {
    assert.ok(pages.length > 10, 'the pages were found')
    assert.deepEqual(brokenLinks('README.md', 'see [this](docs/nowhere.md) and [that](CHANGELOG.md#gone)'), [
      'README.md: docs/nowhere.md',
      'README.md: CHANGELOG.md#gone',
    ])
    assert.deepEqual(
      pages.flatMap((page) => brokenLinks(page, read(page))),
      [],
    )
  })

  it('lists every exit code of the command line', () => {
    const rows = read('docs/OPERATING.md').matchAll(/^\| ([\d, ]+) \|/gm)
    const listed = [...rows].flatMap(([, codes = '']) => codes.split(',').map(Number))
    assert.deepEqual(listed, Object.values(EXIT))
  })

  it('says how big a limit is in the unit that people use', () => {
    assert.equal(quantityOf({ value: 16_384, unit: 'bytes', reason: '' }), '16 KiB')
    assert.equal(quantityOf({ value: 1_000, unit: 'ms', reason: '' }), '1,000 ms')
    assert.equal(quantityOf({ value: 90_000, unit: 'ms', reason: '' }), '90 s')
  })

  it('is not made where a page has no place for it', () => {
    assert.throws(() => withPart('a page', 'limits', 'x'), /no place/)
    assert.equal(
      withPart('a <!-- begin x --> old <!-- end x --> b', 'x', 'new'),
      'a <!-- begin x -->\nnew\n<!-- end x --> b',
    )
  })
})
