/** Counts requests and runtimes, and shows the counts as Prometheus or OpenMetrics text. */
import { type Counter, collectDefaultMetrics, Gauge, Registry } from '@prometheus-io/client'
import { limit } from '../../core/limits.ts'
import type { Metrics, RequestMeasure } from '../../ports/metrics.ts'
import { type MeshCounts, meshGauges } from './mesh-gauges.ts'
import { type CounterSeries, type HistogramSeries, SeriesCounter, SeriesHistogram } from './metric-series.ts'

/** Bucket edges in seconds of the OpenTelemetry GenAI conventions; our own histograms use them too, so that both views agree. */
const DURATION_EDGES = Array.from({ length: 14 }, (_, power) => (10 * 2 ** power) / 1000)
const FIRST_TOKEN_EDGES = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const PER_TOKEN_EDGES = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
/** Stands for every model that no runtime offers, and for those past the bound: clients cannot make labels. */
const OTHER_MODEL = 'other'

export interface BuildInfo {
  readonly version: string
  readonly commit: string
}

export interface PrometheusMetricsDeps {
  /** Whether some runtime offers this model, or did. Asked once a request until it says yes. */
  readonly isKnownModel: (model: string) => boolean
  readonly build: BuildInfo
}

/** The series of one model, kept so that a request looks labels up by at most two map reads. */
interface ModelSeries {
  readonly outcomes: Map<string, CounterSeries>
  readonly whole: HistogramSeries
  readonly streamed: HistogramSeries
  readonly firstToken: HistogramSeries
  readonly perToken: HistogramSeries
  readonly inputTokens: CounterSeries
  readonly outputTokens: CounterSeries
  readonly operations: Map<string, OperationSeries>
}

interface OperationSeries {
  readonly duration: Map<string, HistogramSeries>
  readonly firstToken: HistogramSeries
  readonly perToken: HistogramSeries
}

export class PrometheusMetrics implements Metrics {
  readonly #registry = new Registry()
  readonly #families = familiesOf(this.#registry)
  readonly #models = new Map<string, ModelSeries>()
  readonly #decisions = new Map<string, CounterSeries>()
  readonly #connectors = new Map<string, Map<string, CounterSeries>>()
  readonly #retries: CounterSeries
  readonly #failovers: Readonly<Record<'before_first_byte' | 'after_first_byte', CounterSeries>>
  readonly #dropped: CounterSeries
  readonly #eventsDropped: CounterSeries
  readonly #runtimes: Gauge<'runtime'>
  readonly #isKnownModel: (model: string) => boolean
  #inFlight = 0

  constructor({ isKnownModel, build }: PrometheusMetricsDeps) {
    this.#isKnownModel = isKnownModel
    const registers = [this.#registry]
    const { retries, failovers, dropped, eventsDropped } = this.#families
    this.#retries = retries.series({ stage: 'before_first_byte' })
    this.#failovers = {
      before_first_byte: failovers.series({ stage: 'before_first_byte' }),
      after_first_byte: failovers.series({ stage: 'after_first_byte' }),
    }
    this.#dropped = dropped.series({})
    this.#eventsDropped = eventsDropped.series({})
    this.#runtimes = new Gauge({
      name: 'heddle_runtime_ready',
      help: 'Whether a runtime can serve: 1 or 0.',
      labelNames: ['runtime'],
      registers,
    })
    const inFlight = (): number => this.#inFlight
    new Gauge({
      name: 'heddle_inflight_requests',
      help: 'Requests being worked on now.',
      labelNames: ['role'],
      registers,
      collect() {
        this.set({ role: 'gateway' }, inFlight())
      },
    })
    new Gauge({
      name: 'heddle_build_info',
      help: 'What is running; always 1.',
      labelNames: ['version', 'commit', 'node_version'],
      registers,
    }).set({ ...build, node_version: process.version }, 1)
    collectDefaultMetrics({ register: this.#registry })
  }

  requestStarted(): (measure: RequestMeasure) => void {
    this.#inFlight++
    return (measure) => {
      this.#inFlight--
      this.#requestEnded(measure)
    }
  }

  routeDecided(reason: string, outcome: 'planned' | 'refused'): void {
    seriesOf(this.#decisions, `${outcome} ${reason}`, () => this.#families.decisions.series({ reason, outcome })).add(1)
  }

  attemptFailed(stage: 'before_first_byte' | 'after_first_byte'): void {
    this.#failovers[stage].add(1)
  }

  requestLogDropped(rows: number): void {
    this.#dropped.add(rows)
  }

  eventsDropped(events: number): void {
    this.#eventsDropped.add(events)
  }

  runtimeState(runtime: string, ready: boolean): void {
    this.#runtimes.set({ runtime }, ready ? 1 : 0)
  }

  /** Forgets a runtime that was removed. */
  runtimeRemoved(runtime: string): void {
    this.#runtimes.remove({ runtime })
  }

  /** Shows counts of the mesh from now on; to be called once. */
  watchMesh(read: () => MeshCounts | undefined): void {
    meshGauges(this.#registry, read)
  }

  /** All metrics as Prometheus text (`text/plain; version=0.0.4`) or as OpenMetrics 1.0. */
  async text(openMetrics: boolean): Promise<string> {
    return await (openMetrics ? openMetricsOf(this.#registry) : this.#registry).metrics()
  }

  #requestEnded(measure: RequestMeasure): void {
    const { outcome, operation, stream, durationMs, firstByteMs, inputTokens, outputTokens, attempts, connector } =
      measure
    const { model, series } = this.#model(measure.model)
    const seconds = durationMs / 1000
    seriesOf(series.outcomes, outcome, () => this.#families.requests.series({ model, outcome })).add(1)
    const ofStream = stream ? series.streamed : series.whole
    ofStream.observe(seconds)
    if (attempts > 1) this.#retries.add(attempts - 1)
    if (connector !== undefined) this.#carried(connector, outcome).add(1)

    const ofOperation = seriesOf(series.operations, operation, () => this.#operation(model, operation))
    seriesOf(ofOperation.duration, outcome, () => this.#operationDuration(model, operation, outcome)).observe(seconds)
    if (inputTokens !== undefined) series.inputTokens.add(inputTokens)
    if (outputTokens !== undefined) series.outputTokens.add(outputTokens)
    // Without a stream the first byte comes with the last token and tells nothing about the first.
    if (!stream || firstByteMs === undefined) return
    series.firstToken.observe(firstByteMs / 1000)
    ofOperation.firstToken.observe(firstByteMs / 1000)
    if (outputTokens === undefined || outputTokens < 2) return
    const perToken = (durationMs - firstByteMs) / 1000 / (outputTokens - 1)
    series.perToken.observe(perToken)
    ofOperation.perToken.observe(perToken)
  }

  #carried(connector: string, outcome: string): CounterSeries {
    const outcomes = seriesOf(this.#connectors, connector, () => new Map<string, CounterSeries>())
    return seriesOf(outcomes, outcome, () => this.#families.carried.series({ connector, outcome }))
  }

  #model(asked: string): { readonly model: string; readonly series: ModelSeries } {
    const known = this.#models.get(asked)
    if (known) return { model: asked, series: known }
    const isFull = this.#models.size >= limit('metricModels')
    const model = !isFull && this.#isKnownModel(asked) ? asked : OTHER_MODEL
    return { model, series: seriesOf(this.#models, model, () => this.#newModel(model)) }
  }

  #newModel(model: string): ModelSeries {
    const { durations, firstToken, perToken, tokens } = this.#families
    return {
      outcomes: new Map(),
      whole: durations.series({ model, stream: 'false' }),
      streamed: durations.series({ model, stream: 'true' }),
      firstToken: firstToken.series({ model }),
      perToken: perToken.series({ model }),
      inputTokens: tokens.series({ model, direction: 'input' }),
      outputTokens: tokens.series({ model, direction: 'output' }),
      operations: new Map(),
    }
  }

  #operation(model: string, operation: string): OperationSeries {
    const labels = { gen_ai_operation_name: operation, gen_ai_request_model: model }
    const { genAiFirstToken, genAiPerToken } = this.#families
    return {
      duration: new Map(),
      firstToken: genAiFirstToken.series(labels),
      perToken: genAiPerToken.series(labels),
    }
  }

  #operationDuration(model: string, operation: string, outcome: string): HistogramSeries {
    const labels = { gen_ai_operation_name: operation, gen_ai_request_model: model }
    const { genAiDurations } = this.#families
    return genAiDurations.series(outcome === 'ok' ? labels : { ...labels, error_type: outcome })
  }
}

/** The value at `key`, made on first use. */
function seriesOf<T>(map: Map<string, T>, key: string, make: () => T): T {
  let value = map.get(key)
  if (value === undefined) {
    value = make()
    map.set(key, value)
  }
  return value
}

function familiesOf(registry: Registry) {
  const counter = (name: string, help: string): SeriesCounter => new SeriesCounter(registry, name, help)
  const histogram = (name: string, help: string, edges: readonly number[]): SeriesHistogram =>
    new SeriesHistogram(registry, name, help, edges)
  return {
    requests: counter('heddle_requests_total', 'Requests that ended, by outcome: ok or an error code.'),
    tokens: counter('heddle_tokens_total', 'Tokens as the runtimes counted them.'),
    decisions: counter('heddle_route_decisions_total', 'Routes planned or refused, and why.'),
    carried: counter('heddle_connector_requests_total', 'Requests by what carried them to who answered, and outcome.'),
    retries: counter('heddle_retries_total', 'Further candidates tried after the first of a request.'),
    failovers: counter('heddle_failovers_total', 'Attempts that failed, before or after the first byte.'),
    dropped: counter('heddle_request_log_dropped_total', 'Rows of the request log that were not stored.'),
    eventsDropped: counter('heddle_analytics_events_dropped_total', 'Events that did not reach Axiom.'),
    durations: histogram('heddle_request_duration_seconds', 'From arrival to the last byte sent.', DURATION_EDGES),
    firstToken: histogram(
      'heddle_time_to_first_token_seconds',
      'From arrival to the first byte of a stream.',
      FIRST_TOKEN_EDGES,
    ),
    perToken: histogram(
      'heddle_time_per_output_token_seconds',
      'Pause between two tokens of a stream.',
      PER_TOKEN_EDGES,
    ),
    genAiDurations: histogram(
      'gen_ai_server_request_duration_seconds',
      'GenAI server request duration.',
      DURATION_EDGES,
    ),
    genAiFirstToken: histogram(
      'gen_ai_server_time_to_first_token_seconds',
      'Time to generate the first token.',
      FIRST_TOKEN_EDGES,
    ),
    genAiPerToken: histogram(
      'gen_ai_server_time_per_output_token_seconds',
      'Time per output token after the first.',
      PER_TOKEN_EDGES,
    ),
  } as const
}

/** A view in OpenMetrics: that registry renames its counters for good, so it gets wrappers and the metrics keep their names. */
function openMetricsOf(registry: Registry): Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE> {
  const view = new Registry(Registry.OPENMETRICS_CONTENT_TYPE)
  for (const metric of registry.getMetricsAsArray() as unknown as readonly Counter[]) {
    const { name, type } = metric as unknown as { name: string; type: string }
    const wrapper = {
      name,
      type,
      async get() {
        return { ...(await metric.get()), name: wrapper.name }
      },
    }
    view.registerMetric(wrapper as unknown as Counter)
  }
  return view
}
