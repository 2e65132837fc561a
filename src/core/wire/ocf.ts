/** JSON of OCF's node table: peers and their services, field by field as OCF's and OpenTela's nodes write them. */
import { z } from 'zod'
import { limit } from '../limits.ts'

export const OcfService = z.object({
  name: z.string(),
  hardware: z.string(),
  /** `connected` where requests are served. */
  status: z.string(),
  host: z.string(),
  port: z.string(),
  identity_group: z.array(z.string()),
})
export type OcfService = z.infer<typeof OcfService>

/** OCF has further fields that nothing fills or reads; they are here with the values that its nodes give them. */
export const OcfPeer = z
  .object({
    id: z.string(),
    /** Milliseconds. */
    latency: z.int(),
    privileged: z.literal(false),
    owner: z.string(),
    current_offering: z.null(),
    available_offering: z.null(),
    /** `worker`, `head`, `relay`. */
    role: z.array(z.string()),
    status: z.string(),
    service: z.array(OcfService),
    /** Seconds since 1970, as this node sees it. */
    last_seen: z.int(),
    version: z.string(),
    /** A bare IP address or host name; only of nodes that give newcomers their first peers. */
    public_address: z.string(),
    hardware: z.object({
      gpus: z.array(z.object({ name: z.string(), total_memory: z.int(), used_memory: z.int() })),
      host_memory: z.int(),
      host_memory_bandwidth: z.int(),
      host_memory_used: z.int(),
    }),
    connected: z.boolean(),
    /** Requests in flight, one number a service. */
    load: z.array(z.int()),
  })
  .meta({ id: 'OcfPeer' })
export type OcfPeer = z.infer<typeof OcfPeer>

/** By `/<peer id>`. */
export const OcfTable = z.record(z.string(), OcfPeer).meta({ id: 'OcfTable' })
export type OcfTable = z.infer<typeof OcfTable>

export const OcfAddressInfo = z.object({ ID: z.string(), Addrs: z.array(z.string()) })
export type OcfAddressInfo = z.infer<typeof OcfAddressInfo>

export const CONNECTEDNESS = ['Connected', 'Limited', 'NotConnected'] as const
export const OcfPeerStatus = z.object({ id: z.string(), connectedness: z.enum(CONNECTEDNESS) })
export type OcfPeerStatus = z.infer<typeof OcfPeerStatus>

export const OcfPeers = z.object({ peers: z.array(OcfAddressInfo) }).meta({ id: 'OcfPeers' })
export const OcfPeersStatus = z.object({ peers: z.array(OcfPeerStatus) }).meta({ id: 'OcfPeersStatus' })
export const OcfBootstraps = z.object({ bootstraps: z.array(z.string()) }).meta({ id: 'OcfBootstraps' })
export const OcfStats = z
  .object({
    connected_peers: z.int(),
    total_peers_known: z.int(),
    connected_peer_details: z.array(OcfAddressInfo),
    all_peer_details: z.array(OcfPeerStatus),
    message: z.string(),
  })
  .meta({ id: 'OcfStats' })
export const OcfHealth = z.object({ status: z.literal('ok') }).meta({ id: 'OcfHealth' })

/** `POST /v1/dnt/_node`: a Peer, of which only the services count. */
export const OcfRegistration = z
  .looseObject({
    service: z
      .array(
        z.looseObject({
          name: z.string().min(1).max(64),
          host: z.string().min(1).max(253).default('localhost'),
          port: z
            .union([z.string(), z.int()])
            .transform(String)
            .pipe(z.string().regex(/^[1-9]\d{0,4}$/, 'expected a port')),
          identity_group: z
            .array(z.string().max(limit('recordTextCharacters')))
            .max(limit('recordGroups'))
            .nullish(),
        }),
      )
      .min(1)
      .max(limit('recordServices')),
  })
  .meta({ id: 'OcfRegistration' })
export type OcfRegistration = z.infer<typeof OcfRegistration>
