/** Counters and histograms for the request path: a series is looked up once and then counted with plain additions. */
import type { Counter, Registry } from '@prometheus-io/client'

type Labels = Readonly<Record<string, string>>

interface Sample {
  readonly labels: Labels | { readonly le: string | number }
  readonly sharedLabels?: Labels
  readonly metricName?: string
  readonly value: number
}

/** What a registry of the client library asks of a metric when it writes its text. */
interface Collected {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'histogram'
  readonly aggregator: 'sum'
  readonly values: readonly Sample[]
}

export class CounterSeries {
  value = 0
  readonly labels: Labels

  constructor(labels: Labels) {
    this.labels = labels
  }

  add(amount: number): void {
    this.value += amount
  }
}

export class HistogramSeries {
  readonly labels: Labels
  readonly edges: readonly number[]
  /** One count for each edge and a last one for what is above them all; not cumulative. */
  readonly counts: Float64Array
  sum = 0
  count = 0

  constructor(labels: Labels, edges: readonly number[]) {
    this.labels = labels
    this.edges = edges
    this.counts = new Float64Array(edges.length + 1)
  }

  observe(value: number): void {
    const { edges } = this
    let bucket = 0
    while (bucket < edges.length && value > (edges[bucket] as number)) bucket++
    this.counts[bucket] = (this.counts[bucket] as number) + 1
    this.sum += value
    this.count++
  }
}

/** A counter whose series callers keep; the caller bounds how many there are. */
export class SeriesCounter {
  readonly name: string
  readonly help: string
  readonly type = 'counter'
  readonly aggregator = 'sum'
  readonly #series: CounterSeries[] = []

  constructor(registry: Registry, name: string, help: string) {
    this.name = name
    this.help = help
    register(registry, this)
  }

  series(labels: Labels): CounterSeries {
    const series = new CounterSeries(labels)
    this.#series.push(series)
    return series
  }

  get(): Promise<Collected> {
    const values = this.#series.map(({ labels, value }) => ({ labels, value }))
    return Promise.resolve({ name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values })
  }
}

/** A histogram whose series callers keep; the caller bounds how many there are. */
export class SeriesHistogram {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #edges: readonly number[]
  readonly #series: HistogramSeries[] = []

  constructor(registry: Registry, name: string, help: string, edges: readonly number[]) {
    this.name = name
    this.help = help
    this.#edges = edges
    register(registry, this)
  }

  series(labels: Labels): HistogramSeries {
    const series = new HistogramSeries(labels, this.#edges)
    this.#series.push(series)
    return series
  }

  get(): Promise<Collected> {
    const values = this.#series.flatMap((series) => this.#samplesOf(series))
    return Promise.resolve({ name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values })
  }

  #samplesOf(series: HistogramSeries): Sample[] {
    const sharedLabels = series.labels
    const metricName = `${this.name}_bucket`
    let below = 0
    const buckets: Sample[] = this.#edges.map((le, edge) => {
      below += series.counts[edge] as number
      return { metricName, labels: { le }, sharedLabels, value: below }
    })
    return [
      ...buckets,
      { metricName, labels: { le: '+Inf' }, sharedLabels, value: series.count },
      { metricName: `${this.name}_sum`, labels: {}, sharedLabels, value: series.sum },
      { metricName: `${this.name}_count`, labels: {}, sharedLabels, value: series.count },
    ]
  }
}

/** The registry's type lists only the library's own classes, but it calls no more than `get` of what it holds. */
function register(registry: Registry, metric: SeriesCounter | SeriesHistogram): void {
  registry.registerMetric(metric as unknown as Counter)
}
