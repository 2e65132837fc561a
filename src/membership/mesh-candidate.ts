/** One model of another node as routing sees it. What changes by itself is read when it is asked for, so nothing here goes out of date. */
import { asRuntimeId, type NodeId, type RuntimeId } from '../core/ids.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { Candidate, ModelOffer, RuntimeState } from '../core/routing/candidate.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { PeerView } from './liveness.ts'

/** Where the changing parts are. */
export interface CandidateSources {
  readonly isUsable: (node: NodeId) => boolean
  readonly peerOf: (node: NodeId) => PeerView
  /** Requests at the `service`-th service of the record, which is called `runtime`. */
  readonly inFlightOf: (node: NodeId, runtime: RuntimeId, service: number) => number
}

/** Accessors stand on the class: written into each object they would give every object a shape of its own. */
export class MeshCandidate implements Candidate {
  readonly node: NodeId
  readonly nodeName: string
  readonly connector = 'mesh'
  readonly runtime: RuntimeId
  readonly offer: ModelOffer
  readonly capacity: number
  readonly region: string | undefined
  readonly trust: PromptTrust
  readonly #sources: CandidateSources
  readonly #service: number
  readonly #isStale: boolean
  /** What the node says. */
  readonly #said: RuntimeState

  /** @param place the number of its service in the record, and its number among the offers of that service */
  constructor(
    sources: CandidateSources,
    { record, status }: RegistryEntry,
    place: { readonly service: number; readonly offer: ModelOffer },
    trust: PromptTrust,
  ) {
    const service = record.services[place.service]
    this.node = record.peer
    this.nodeName = record.name
    this.runtime = asRuntimeId(service?.runtime ?? '')
    this.offer = place.offer
    this.capacity = service?.capacity ?? 0
    this.region = record.region?.name
    this.trust = trust
    this.#sources = sources
    this.#service = place.service
    this.#isStale = status === 'stale'
    this.#said = service?.state ?? 'stopped'
  }

  /** What we see of the node goes before what it says of its runtime. */
  get state(): RuntimeState {
    return this.#isStale || !this.#sources.isUsable(this.node) ? 'unhealthy' : this.#said
  }

  get reason(): string {
    if (this.#isStale) return 'not heard of since this node started'
    if (!this.#sources.isUsable(this.node)) return this.#sources.peerOf(this.node).reason
    return this.#said === 'ready' ? '' : `its node says ${this.#said}`
  }

  get inFlight(): number {
    return this.#sources.inFlightOf(this.node, this.runtime, this.#service)
  }

  get rttMs(): number | undefined {
    return this.#sources.peerOf(this.node).rttMs
  }
}
