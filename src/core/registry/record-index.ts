/** Which nodes have what: the way from a service, identity group or model to its nodes. */
import type { NodeId } from '../ids.ts'
import { identityGroupsOf } from '../routing/identity-groups.ts'
import type { NodeRecord } from './node-record.ts'

export type IndexedBy = 'service' | 'group' | 'model'

export class RecordIndex {
  readonly #nodes: Readonly<Record<IndexedBy, Map<string, Set<NodeId>>>> = {
    service: new Map(),
    group: new Map(),
    model: new Map(),
  }

  add(record: NodeRecord): void {
    for (const [by, key] of keysOf(record)) {
      const nodes = this.#nodes[by].get(key)
      if (nodes === undefined) this.#nodes[by].set(key, new Set([record.peer]))
      else nodes.add(record.peer)
    }
  }

  remove(record: NodeRecord): void {
    for (const [by, key] of keysOf(record)) {
      const nodes = this.#nodes[by].get(key)
      nodes?.delete(record.peer)
      if (nodes?.size === 0) this.#nodes[by].delete(key)
    }
  }

  nodes(by: IndexedBy, key: string): Iterable<NodeId> {
    return this.#nodes[by].get(key) ?? []
  }

  keys(by: IndexedBy): Iterable<string> {
    return this.#nodes[by].keys()
  }
}

function* keysOf(record: NodeRecord): Generator<[IndexedBy, string]> {
  for (const service of record.services) {
    yield ['service', service.name]
    for (const group of service.groups) yield ['group', group]
    for (const group of identityGroupsOf(service.offers)) yield ['group', group]
    for (const { id } of service.offers) yield ['model', id]
  }
}
