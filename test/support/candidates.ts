/** Candidates and directories for tests of routing: each differs from the usual one by what the test says. */
import { asNodeId, asRuntimeId } from '../../src/core/ids.ts'
import type { InferenceRequest } from '../../src/core/openai/inference-request.ts'
import { parseInferenceRequest } from '../../src/core/openai/parse-inference-request.ts'
import type { Candidate, ModelOffer } from '../../src/core/routing/candidate.ts'
import type { Directory } from '../../src/ports/directory.ts'

export interface CandidateChanges extends Partial<Omit<Candidate, 'node' | 'offer'>> {
  readonly node?: string
  readonly offer?: Partial<ModelOffer>
}

/** Ready, idle and local, with the model `m` for chat. */
export function testCandidate({ node = 'here', offer, ...changes }: CandidateChanges = {}): Candidate {
  return {
    node: asNodeId(node),
    nodeName: node,
    connector: node === 'here' ? 'local' : 'mesh',
    runtime: asRuntimeId('llama'),
    offer: {
      id: 'm',
      endpoints: ['chat'],
      accepts: { mode: 'all-but', names: [] },
      createdSeconds: 1,
      ownedBy: 'someone',
      ...offer,
    },
    state: 'ready',
    reason: '',
    inFlight: 0,
    capacity: 4,
    trust: node === 'here' ? 'self' : 'network',
    ...changes,
  }
}

export function testRequest(changes: Readonly<Record<string, unknown>> = {}): InferenceRequest {
  const json = { model: 'm', messages: [{ role: 'user', content: 'hi' }], ...changes }
  return parseInferenceRequest('chat', json, Buffer.from(JSON.stringify(json)))
}

/** A directory whose candidates may be exchanged, and which notes how it was asked. */
export class ListDirectory implements Directory {
  readonly asked: string[] = []
  #candidates: readonly Candidate[]
  #version = 1

  constructor(candidates: readonly Candidate[]) {
    this.#candidates = candidates
  }

  set(candidates: readonly Candidate[]): void {
    this.#candidates = candidates
    this.#version += 1
  }

  version(): number {
    return this.#version
  }

  candidatesFor(model: string): readonly Candidate[] {
    this.asked.push(model)
    return this.#candidates.filter(({ offer }) => offer.id === model)
  }

  all(): readonly Candidate[] {
    this.asked.push('all')
    return this.#candidates
  }
}
