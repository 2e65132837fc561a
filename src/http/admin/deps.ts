/** What the HTTP surface outside the inference endpoints needs of the node; compose implements it. */
import type { IncomingMessage } from 'node:http'
import type { KeyId, RequestId } from '../../core/ids.ts'
import type { ConfigEntry, LogLine, Ps, RuntimeView, Status, VersionView } from '../../core/wire/admin.ts'
import type { CreateKey } from '../../core/wire/admin-accounts.ts'
import type {
  DeviceList,
  IdentityDocument,
  RevokeDevice,
  SignedActionDocument,
} from '../../core/wire/admin-identity.ts'
import type {
  ConnectedPeer,
  Netcheck,
  NodeDetail,
  NodeList,
  PeerList,
  PingReply,
  PingRequest,
} from '../../core/wire/admin-mesh.ts'
import type {
  AddRuntime,
  ModelView,
  PullProgress,
  PullRequest,
  RuntimeTest,
  TestRuntime,
} from '../../core/wire/admin-models.ts'
import type {
  AddService,
  RemovedService,
  ServiceList,
  ServiceTest,
  ServiceView,
  TestService,
} from '../../core/wire/admin-services.ts'
import type { Catalogue } from '../../gateway/catalogue.ts'
import type { Question, RouteExplanation } from '../../gateway/explain.ts'
import type { Admission } from '../../ports/admission.ts'
import type { Clock } from '../../ports/clock.ts'
import type { ApiKey } from '../../ports/key-store.ts'
import type { Logger } from '../../ports/logger.ts'
import type { RequestLog } from '../../ports/request-log.ts'
import type { OcfTableDeps } from '../ocf/deps.ts'

export interface Cancellable {
  readonly signal: AbortSignal
}

/** Whether a request can be served now; `reasons` are for people and empty when it can. */
export interface Readiness {
  readonly ready: boolean
  readonly draining: boolean
  readonly reasons: readonly string[]
}

/** What `GET /health` tells anyone; nothing here may be secret. */
export interface HealthFacts {
  readonly mode: string
  /** The model that a client may use without choosing; undefined where there is none. */
  readonly defaultModel: string | undefined
  readonly authRequired: boolean
  /** Runtimes that are ready. */
  readonly runtimes: number
  /** Whether this node runs models itself rather than passing requests on. */
  readonly localRuntime: boolean
  readonly nodeId: string
}

export interface ModelAdmin {
  list(options: Cancellable): Promise<readonly ModelView[]>
  /** @throws HeddleError `model_not_found` */
  show(id: string, options: Cancellable): Promise<ModelView>
  /** Ends after `done`; throws a HeddleError otherwise. Aborting leaves the part file, so that the next pull goes on from there. */
  pull(request: PullRequest, options: Cancellable): AsyncIterable<PullProgress>
  /** @throws HeddleError `model_not_found`, or `conflict` where another runtime owns the weights */
  remove(id: string, options: Cancellable): Promise<void>
}

export interface RuntimeAdmin {
  list(): readonly RuntimeView[]
  /** Registers and begins to bring up; does not wait until it is ready. @throws HeddleError `invalid_request`, `conflict` */
  add(request: AddRuntime, options: Cancellable): Promise<RuntimeView>
  /** @throws HeddleError `not_found` where `id` names none */
  test(request: TestRuntime, options: Cancellable): Promise<RuntimeTest>
  /** @throws HeddleError `not_found`, or `conflict` where the configuration owns it */
  remove(id: string, options: Cancellable): Promise<void>
}

/** `CreateKey` with its duration resolved. */
export interface NewKey extends Omit<CreateKey, 'expiresIn'> {
  readonly expiresInMs: number | undefined
}

export interface KeyAdmin {
  list(): Promise<readonly ApiKey[]>
  create(request: NewKey): Promise<{ readonly key: ApiKey; readonly secret: string }>
  /** False where no such key is, or it is revoked already. */
  revoke(id: KeyId): Promise<boolean>
}

export interface LogTail {
  /** The newest lines, oldest first. */
  recent(filter: { readonly limit: number }): readonly LogLine[]
  /** Calls `listener`, which never throws and never waits, with every further line; the result stops that. */
  subscribe(listener: (line: LogLine) => void): () => void
}

/** The network around this node. Nodes are named by their name, id or fingerprint, or a beginning that no other has. */
export interface MeshAdmin {
  nodes(): NodeList
  /** @throws HeddleError `not_found`, or `invalid_request` where several nodes fit */
  node(which: string): NodeDetail
  /** @throws HeddleError `conflict` where this node has no mesh */
  peers(): PeerList
  /** @throws HeddleError `invalid_request` where it is no multiaddr, `peer_unreachable`, or `conflict` where this node has no mesh */
  connect(address: string, options: Cancellable): Promise<ConnectedPeer>
  /** @throws HeddleError as `node` and `connect` do; `model_not_found` where the node has no model to answer */
  ping(request: PingRequest, options: Cancellable): Promise<PingReply>
  netcheck(): Netcheck
}

export interface ServiceAdmin {
  list(): ServiceList
  /** Resolves after the first check, whatever it found. @throws HeddleError `invalid_request`, `conflict` */
  add(request: AddService, options: Cancellable): Promise<ServiceView>
  /** @throws HeddleError `not_found`, or `invalid_request` for the URL */
  test(request: TestService, options: Cancellable): Promise<ServiceTest>
  /** @throws HeddleError `not_found`, or `invalid_request` where several instances fit */
  remove(name: string, instance: string | undefined, options: Cancellable): Promise<RemovedService>
}

export interface IdentityAdmin {
  /** @throws HeddleError `not_found` before there is an identity */
  show(): Promise<IdentityDocument>
  devices(): Promise<DeviceList>
  /** @throws HeddleError `invalid_request`, `conflict` for this machine's own device, `not_found` or `key_locked` for the account's key */
  revoke(device: string, request: RevokeDevice): Promise<SignedActionDocument>
}

export interface AppDeps {
  readonly clock: Clock
  readonly log: Logger
  readonly admission: Admission
  /** The id that the server gave this request. */
  readonly requestId: (request: IncomingMessage) => RequestId
  readonly status: () => Status
  readonly ps: () => Ps
  readonly version: () => VersionView
  readonly ready: () => Readiness
  readonly health: () => HealthFacts
  readonly config: () => readonly ConfigEntry[]
  /** Begins to stop the node; returns at once. */
  readonly shutdown: (options: { readonly now: boolean }) => void
  readonly catalogue: Pick<Catalogue, 'models' | 'model' | 'known'>
  /** @throws HeddleError `model_not_found` or `no_capacity` where nobody offers the model */
  readonly explain: (question: Question) => RouteExplanation
  readonly mesh: MeshAdmin
  readonly identity: IdentityAdmin
  readonly ocf: OcfTableDeps
  readonly models: ModelAdmin
  readonly runtimes: RuntimeAdmin
  readonly services: ServiceAdmin
  readonly keys: KeyAdmin
  readonly requests: Pick<RequestLog, 'latest' | 'find' | 'flush'>
  readonly logs: LogTail
  readonly metrics: { text(openMetrics: boolean): Promise<string> }
  /** Whether `/metrics` needs no key from anywhere; from this machine it never does. */
  readonly metricsPublic: boolean
}
