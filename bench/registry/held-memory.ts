/** How much more memory a process has that holds records than one that holds none, as the system counts it. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { NODE_ENVIRONMENT, NODE_FLAGS } from '../../scripts/setup.js'
import { encodeSnapshot } from '../../src/membership/snapshot.ts'
import { TestDevice } from '../../test/support/registry-peer.ts'
import { describedAs, FIRST_DEVICE } from './sample-records.ts'

const PROGRAM = fileURLToPath(new URL('./holding-node.ts', import.meta.url))

export interface HeldMemory {
  readonly records: number
  readonly rssMegabytes: number
  /** Over the process without records. */
  readonly moreMebibytes: number
}

/** One process after the other, each started as a node is. */
export function heldMemory(counts: readonly number[]): readonly HeldMemory[] {
  const most = Math.max(0, ...counts)
  const records = Array.from(
    { length: most },
    (_, index) => new TestDevice(FIRST_DEVICE + index).record(1, describedAs(index)).bytes,
  )
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
  try {
    const rssOf = (count: number): number => {
      const file = join(folder, `${count}.cbor`)
      writeFileSync(file, encodeSnapshot({ records: records.slice(0, count), gone: [], goodPeers: [] }))
      const output = execFileSync(process.execPath, [...NODE_FLAGS, PROGRAM, file], {
        encoding: 'utf8',
        env: { ...process.env, ...NODE_ENVIRONMENT },
      })
      const held = JSON.parse(output) as { readonly records: number; readonly rssBytes: number }
      if (held.records !== count) throw new Error(`${held.records} of ${count} records are held`)
      return held.rssBytes
    }
    const empty = rssOf(0)
    return counts.map((count) => {
      const rssBytes = rssOf(count)
      return { records: count, rssMegabytes: rssBytes / 1e6, moreMebibytes: (rssBytes - empty) / 2 ** 20 }
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
