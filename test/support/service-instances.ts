/** Instances of services for tests: each field as it is given, the rest of a ready instance elsewhere. */
import { asNodeId, asRuntimeId } from '../../src/core/ids.ts'
import type { ServiceCandidate } from '../../src/core/routing/service-candidate.ts'

type Given = Partial<Omit<ServiceCandidate, 'node' | 'runtime'>> & { readonly node?: string; readonly runtime?: string }

export function testInstance({ node = 'far', runtime = 'main', ...rest }: Given): ServiceCandidate {
  return {
    node: asNodeId(node),
    nodeName: node,
    connector: 'mesh',
    runtime: asRuntimeId(runtime),
    service: 'asr',
    groups: ['model=a'],
    state: 'ready',
    reason: '',
    inFlight: 0,
    capacity: 64,
    trust: 'network',
    ...rest,
  }
}
