/** The part of the configuration that says how this node meets others. */
import type { ListenAddress } from './config-values.ts'
import type { SettingValues } from './settings-schema.ts'

export interface MeshConfig {
  readonly listen: ListenAddress
  /** Whether another free port will do as well. */
  readonly mayMove: boolean
  /** Multiaddrs, or one HTTP endpoint that lists them. */
  readonly bootstrap: readonly string[]
  readonly publicAddresses: readonly string[]
  readonly relay: boolean
  readonly lan: boolean
  readonly quic: boolean
  /** Undefined: as many as fit. */
  readonly maxConnections: number | undefined
}

const MESH_PORT = 11_441

/** What the settings of the mesh come to. */
export function meshOf(values: SettingValues): MeshConfig {
  const listen = values['mesh.listen']
  const isLocal = values.mode === 'local'
  const publicAddresses = values['mesh.public_addr']
  const relay = values['mesh.relay']
  return {
    listen: listen ?? { host: isLocal ? '127.0.0.1' : '0.0.0.0', port: MESH_PORT },
    mayMove: listen === undefined,
    bootstrap: isLocal && values.bootstrap.length === 0 ? [`/ip4/127.0.0.1/tcp/${MESH_PORT}`] : values.bootstrap,
    publicAddresses,
    relay: relay === 'auto' ? publicAddresses.length > 0 : relay === 'on',
    lan: values['mesh.lan'] && !isLocal,
    quic: values['mesh.quic'],
    maxConnections: values['mesh.max_connections'] || undefined,
  }
}
