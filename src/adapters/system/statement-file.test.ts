/** The statement file: the contract, and what a crash or damage leaves of it. */
import assert from 'node:assert/strict'
import { appendFile, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { statementStoreContract } from '../../../test/contracts/statement-store.contract.ts'
import { temporaryFolder } from '../../../test/support/tmp.ts'
import { StatementFile } from './statement-file.ts'

statementStoreContract('StatementFile', async (t) => {
  const path = join(await temporaryFolder(t), 'account.statements')
  return () => new StatementFile(path)
})

describe('StatementFile', () => {
  const [one, two, three] = [1, 2, 3].map((byte) => new Uint8Array(150).fill(byte)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ]

  it('loses no more than the line that a crash cut off, wherever it did', async (t) => {
    const path = join(await temporaryFolder(t), 'account.statements')
    await new StatementFile(path).append([one])
    const whole = (await stat(path)).size
    await new StatementFile(path).append([two])
    const text = await readFile(path)
    for (let size = whole; size < text.length; size += 1) {
      await writeFile(path, text)
      await truncate(path, size)
      assert.deepEqual(await new StatementFile(path).read(), [one], `cut to ${size} bytes`)
    }
    await new StatementFile(path).append([three])
    assert.deepEqual(await new StatementFile(path).read(), [one, three])
  })

  it('says that it is damaged rather than forget a revocation', async (t) => {
    const path = join(await temporaryFolder(t), 'account.statements')
    await new StatementFile(path).append([one, two])
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace('.A', '.B'))
    await assert.rejects(new StatementFile(path).read(), { code: 'state_corrupt' })
    await assert.rejects(new StatementFile(path).append([three]), { code: 'state_corrupt' })
    await writeFile(path, `${text}not a statement\n`)
    await assert.rejects(new StatementFile(path).read(), { code: 'state_corrupt' })
    await writeFile(path, text)
    await appendFile(path, '\n\n')
    assert.deepEqual(await new StatementFile(path).read(), [one, two])
  })
})
