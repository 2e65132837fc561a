/** Gauges and counters of the mesh, read when somebody asks for the metrics. */
import { Counter, Gauge, type Registry } from '@prometheus-io/client'

export interface MeshCounts {
  /** Connected peers by the best way to them. */
  readonly peers: { readonly direct: number; readonly circuit: number }
  /** Nodes of the table: heard of, and remembered from an earlier run. */
  readonly nodes: { readonly live: number; readonly stale: number }
  /** Gossip messages since the start, by what became of them. */
  readonly gossip: { readonly accepted: number; readonly ignored: number; readonly rejected: number }
  /** Rounds in a row in which no bootstrap answered. */
  readonly failedBootstrapRounds: number
  /** How far the clock is behind those of the peers; undefined before the first comparison. */
  readonly clockSkewMs: number | undefined
}

/** `read` gives undefined while there is no mesh: then nothing is shown of it. Every label has a fixed set of values. */
export function meshGauges(registry: Registry, read: () => MeshCounts | undefined): void {
  const registers = [registry]
  new Gauge<string>({
    name: 'heddle_mesh_peers',
    help: 'Connected peers, by the best way to them.',
    labelNames: ['path'],
    registers,
    collect() {
      setEach(this, 'path', read()?.peers)
    },
  })
  new Gauge<string>({
    name: 'heddle_mesh_nodes',
    help: 'Nodes of the network that this one knows, itself included.',
    labelNames: ['state'],
    registers,
    collect() {
      setEach(this, 'state', read()?.nodes)
    },
  })
  new Counter({
    name: 'heddle_gossip_messages_total',
    help: 'Gossip messages that came, by what became of them.',
    labelNames: ['verdict'],
    registers,
    collect() {
      // What is read has counted from the start already.
      this.reset()
      for (const [verdict, count] of Object.entries(read()?.gossip ?? {})) this.inc({ verdict }, count)
    },
  })
  new Gauge<string>({
    name: 'heddle_bootstrap_failed_rounds',
    help: 'Rounds in a row in which no bootstrap answered.',
    registers,
    collect() {
      setOnly(this, read()?.failedBootstrapRounds)
    },
  })
  new Gauge<string>({
    name: 'heddle_clock_behind_peers_seconds',
    help: 'How far the clock is behind those of the peers, in the middle.',
    registers,
    collect() {
      const skewMs = read()?.clockSkewMs
      setOnly(this, skewMs === undefined ? undefined : skewMs / 1000)
    },
  })
}

function setEach(gauge: Gauge<string>, label: string, values: Readonly<Record<string, number>> | undefined): void {
  gauge.reset()
  for (const [name, value] of Object.entries(values ?? {})) gauge.set({ [label]: name }, value)
}

/** A gauge without labels shows 0 where it has no value, so it is told that it has none. */
function setOnly(gauge: Gauge<string>, value: number | undefined): void {
  if (value === undefined) gauge.remove({})
  else gauge.set(value)
}
