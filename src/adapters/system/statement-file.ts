/** Statements in a file, one a line, each with a check of its own: appended and synced, so that a crash costs no more than its last line. */
import { createHash } from 'node:crypto'
import { open, readFile } from 'node:fs/promises'
import { HeddleError } from '../../core/errors.ts'
import { armourOf, parseArmour } from '../../core/identity/armour.ts'
import { limit } from '../../core/limits.ts'
import type { StatementStore } from '../../ports/statement-store.ts'
import { writeSecretFile } from './secret-file.ts'

const hash = {
  sha256: (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest()),
}

interface Contents {
  readonly statements: readonly Uint8Array[]
  /** Whether the last line was cut off by a crash. */
  readonly isTorn: boolean
}

export class StatementFile implements StatementStore {
  readonly #path: string
  /** Changes run one after the other; resolves when the last one has ended, however it did. */
  #changing: Promise<void> = Promise.resolve()

  constructor(path: string) {
    this.#path = path
  }

  async read(): Promise<readonly Uint8Array[]> {
    return (await this.#contents()).statements
  }

  append(statements: readonly Uint8Array[]): Promise<void> {
    return this.#change(async () => {
      if (statements.length === 0) return
      const before = await this.#contents()
      // A new file gets its mode, and a torn line its end, by writing the whole.
      if (before.statements.length === 0 || before.isTorn) await this.#write([...before.statements, ...statements])
      else await this.#append(statements)
    })
  }

  replace(statements: readonly Uint8Array[]): Promise<void> {
    return this.#change(() => this.#write(statements))
  }

  #change(change: () => Promise<void>): Promise<void> {
    const changed = this.#changing.then(change)
    // Its caller hears of a failure; the next change goes ahead.
    this.#changing = changed.catch(() => {})
    return changed
  }

  async #append(statements: readonly Uint8Array[]): Promise<void> {
    const file = await open(this.#path, 'a')
    try {
      await file.writeFile(statements.map((each) => `${lineOf(each)}\n`).join(''))
      await file.sync()
    } finally {
      await file.close()
    }
  }

  async #write(statements: readonly Uint8Array[]): Promise<void> {
    await writeSecretFile(this.#path, statements.map(lineOf).join('\n'))
  }

  async #contents(): Promise<Contents> {
    const text = await this.#text()
    const lines = text.split('\n')
    const last = lines.pop() ?? ''
    const statements = lines.filter((line) => line !== '').map((line) => this.#parse(line))
    return { statements, isTorn: last !== '' }
  }

  async #text(): Promise<string> {
    try {
      const file = await readFile(this.#path, 'utf8')
      if (file.length <= limit('statementFileBytes')) return file
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
      throw error
    }
    throw new HeddleError('state_corrupt', `${this.#path} is too large`)
  }

  #parse(line: string): Uint8Array {
    const read = parseArmour(hash, 'heddle-statement-1', line, { maxBytes: limit('statementBytes') })
    if (read.kind === 'ok') return read.value
    // Skipping it could bring a revoked device back.
    throw new HeddleError('state_corrupt', `${this.#path} has a damaged line`, {
      fix: `restore '${this.#path}' from a backup, or remove the line that is not whole`,
    })
  }
}

const lineOf = (statement: Uint8Array): string => armourOf(hash, 'heddle-statement-1', statement)
