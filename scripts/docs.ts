/** `npm run docs`: writes the generated parts of the documentation. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GENERATED_PAGES } from './docs-pages.ts'

const root = join(import.meta.dirname, '..')
for (const { path, make } of GENERATED_PAGES) {
  const file = join(root, path)
  const current = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const wanted = make(current)
  if (wanted === current) continue
  writeFileSync(file, wanted)
  process.stdout.write(`wrote ${path}\n`)
}
