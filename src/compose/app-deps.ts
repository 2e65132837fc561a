/** What the HTTP surface outside inference needs, made from the parts of this node. */
import type { IncomingMessage } from 'node:http'
import type { ApiKeys } from '../accounts/api-keys.ts'
import type { LogRing } from '../adapters/system/log-ring.ts'
import type { PrometheusMetrics } from '../adapters/system/prometheus-metrics.ts'
import type { SystemIds } from '../adapters/system/system-ids.ts'
import { asRequestId, asUnixMs, type RequestId } from '../core/ids.ts'
import type { ConfigEntry } from '../core/wire/admin.ts'
import type { Catalogue } from '../gateway/catalogue.ts'
import { explainRoute } from '../gateway/explain.ts'
import type { AppDeps, KeyAdmin, LogTail, RuntimeAdmin, ServiceAdmin } from '../http/admin/deps.ts'
import type { OcfTableDeps } from '../http/ocf/deps.ts'
import type { Admission } from '../ports/admission.ts'
import type { Clock } from '../ports/clock.ts'
import type { Logger } from '../ports/logger.ts'
import type { RequestLog } from '../ports/request-log.ts'
import type { Config, EffectiveSetting } from './config.ts'
import { type IdentityAdminDeps, identityAdminOf } from './identity-admin.ts'
import { type MeshAdminDeps, meshAdminOf } from './mesh-admin.ts'
import { type ModelAdminDeps, modelAdminOf } from './model-admin.ts'
import type { NodeStatus } from './node-status.ts'
import { readPassphrase } from './passphrase.ts'
import { SETTINGS } from './settings.ts'
import { versionView } from './version.ts'

export interface AppParts {
  readonly clock: Clock
  readonly log: Logger
  readonly config: Config
  readonly keys: ApiKeys
  readonly admission: Admission
  readonly catalogue: Catalogue
  readonly metrics: PrometheusMetrics
  readonly requestLog: RequestLog
  readonly requestIds: WeakMap<IncomingMessage, RequestId>
  readonly ring: LogRing
  readonly runtimes: RuntimeAdmin
  readonly services: { readonly admin: ServiceAdmin }
  readonly status: NodeStatus
  readonly ocf: OcfTableDeps
  readonly ids: SystemIds
  readonly mesh: MeshAdminDeps['mesh']
  readonly identity: IdentityAdminDeps['identity']
  readonly models: ModelAdminDeps
  readonly stop: (how: { readonly now: boolean }) => void
}

export function appDepsOf(parts: AppParts): AppDeps {
  const { clock, log, config, admission, catalogue, metrics, requestLog, requestIds, runtimes, status } = parts
  return {
    clock,
    log,
    admission,
    requestId: (request) => requestIds.get(request) ?? asRequestId(''),
    status: () => status.status(),
    ps: () => status.ps(),
    version: versionView,
    ready: () => status.ready(),
    health: () => status.health(),
    config: () => config.settings.map(entryOf),
    shutdown: parts.stop,
    catalogue,
    explain: (question) => explainRoute({ catalogue }, question),
    mesh: meshAdminOf({
      self: () => status.self(),
      selfDetail: () => status.selfDetail(),
      mode: config.mode,
      mesh: parts.mesh,
      requestId: () => parts.ids.requestId(),
    }),
    identity: identityAdminOf({
      identity: parts.identity,
      passphrase: () => readPassphrase(config.identity),
      mesh: parts.mesh,
    }),
    models: modelAdminOf(parts.models),
    runtimes,
    ocf: parts.ocf,
    services: parts.services.admin,
    keys: keyAdminOf(parts),
    requests: requestLog,
    logs: logTailOf(parts.ring),
    metrics,
    metricsPublic: config.http.metricsPublic,
  }
}

function keyAdminOf({ keys, clock }: Pick<AppParts, 'keys' | 'clock'>): KeyAdmin {
  return {
    list: () => keys.list(),
    create: ({ name, scopes, models, rpm, tpm, promptTrust, expiresInMs }) =>
      keys.create({
        name,
        scopes,
        models,
        requestsPerMinute: rpm,
        tokensPerMinute: tpm,
        promptTrust,
        expiresAt: expiresInMs === undefined ? undefined : asUnixMs(clock.now() + expiresInMs),
      }),
    revoke: (id) => keys.revoke(id),
  }
}

function logTailOf(ring: LogRing): LogTail {
  return {
    recent: (count) => ring.recent(count),
    subscribe: (listener) => ring.subscribe(listener),
  }
}

function entryOf({ key, value, origin }: EffectiveSetting): ConfigEntry {
  const source = origin.from === 'default' ? null : origin.from === 'file' ? placeOf(origin) : origin.name
  return {
    key,
    value: value as ConfigEntry['value'],
    origin: origin.from,
    source,
    secret: SETTINGS[key].secret === true,
  }
}

function placeOf({ path, line }: { readonly path: string; readonly line: number | undefined }): string {
  return line === undefined ? path : `${path}:${line}`
}
