/** The HTTP services that an operator added, at rest. */
import type { UnixMs } from '../core/ids.ts'
import type { ServiceDefinition } from '../core/routing/service-definition.ts'

export interface StoredService extends ServiceDefinition {
  readonly addedAt: UnixMs
}

/** Every implementation promises that services are told apart by name and instance, and listed oldest first. */
export interface ServiceStore {
  /** Replaces one that is there already. */
  put(service: StoredService): Promise<void>
  /** False where there is none such. */
  remove(name: string, instance: string): Promise<boolean>
  list(): Promise<readonly StoredService[]>
}
