/** What the gateway works with. */
import type { ConnectorKind } from '../core/routing/candidate.ts'
import type { Admission } from '../ports/admission.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connector } from '../ports/connector.ts'
import type { Logger } from '../ports/logger.ts'
import type { Metrics } from '../ports/metrics.ts'
import type { RequestLog } from '../ports/request-log.ts'
import type { Catalogue } from './catalogue.ts'

export interface GatewayDeps {
  readonly admission: Admission
  readonly catalogue: Catalogue
  readonly connectors: ReadonlyMap<ConnectorKind, Connector>
  readonly requestLog: RequestLog
  readonly metrics: Metrics
  readonly clock: Clock
  readonly log: Logger
  /** Whether prompts and answers are logged: only where the operator turned `log.content` on. */
  readonly logContent: boolean
}
