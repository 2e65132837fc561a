/** How many nodes of each part of the internet the registry holds. A node that is held keeps its place. */
import { limit } from '../limits.ts'
import { blocksOf } from './address-block.ts'
import type { NodeRecord } from './node-record.ts'
import type { AdmissionRefusal } from './record-refusal.ts'

export interface QuotaLimits {
  readonly records: number
  readonly perBlock: number
  readonly withoutBlock: number
}

export function defaultQuotas(): QuotaLimits {
  return {
    records: limit('registryRecords'),
    perBlock: limit('recordsPerBlock'),
    withoutBlock: limit('recordsWithoutBlock'),
  }
}

export class Quotas {
  readonly #limits: QuotaLimits
  readonly #blocks = new Map<string, number>()
  #records = 0
  #withoutBlock = 0

  constructor(limits: QuotaLimits) {
    this.#limits = limits
  }

  /** Why `record` has no place; `held` is the record of the same node that it would replace. */
  refusalOf(record: NodeRecord, held: NodeRecord | undefined): AdmissionRefusal | undefined {
    if (held === undefined && this.#records >= this.#limits.records) return { kind: 'full', what: 'registry' }
    const before = held === undefined ? undefined : blocksOf(held.addresses)
    const blocks = blocksOf(record.addresses)
    if (blocks.length === 0) {
      const isNew = before === undefined || before.length > 0
      return isNew && this.#withoutBlock >= this.#limits.withoutBlock
        ? { kind: 'full', what: 'unaddressed' }
        : undefined
    }
    const isFull = blocks.some(
      (block) => before?.includes(block) !== true && (this.#blocks.get(block) ?? 0) >= this.#limits.perBlock,
    )
    return isFull ? { kind: 'full', what: 'block' } : undefined
  }

  add(record: NodeRecord): void {
    this.#count(record, 1)
  }

  remove(record: NodeRecord): void {
    this.#count(record, -1)
  }

  #count(record: NodeRecord, by: 1 | -1): void {
    this.#records += by
    const blocks = blocksOf(record.addresses)
    if (blocks.length === 0) this.#withoutBlock += by
    for (const block of blocks) {
      const count = (this.#blocks.get(block) ?? 0) + by
      if (count === 0) this.#blocks.delete(block)
      else this.#blocks.set(block, count)
    }
  }
}
