/** Metrics count what happened, under bounded labels, and read as both text formats. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { Histogram, Registry } from '@prometheus-io/client'
import fc from 'fast-check'
import { limit } from '../../core/limits.ts'
import type { RequestMeasure } from '../../ports/metrics.ts'
import type { MeshCounts } from './mesh-gauges.ts'
import { SeriesHistogram } from './metric-series.ts'
import { PrometheusMetrics } from './prometheus-metrics.ts'

const STREAMED: RequestMeasure = {
  model: 'qwen3:8b',
  operation: 'chat',
  stream: true,
  outcome: 'ok',
  durationMs: 1_250,
  firstByteMs: 250,
  inputTokens: 12,
  outputTokens: 21,
  attempts: 1,
  connector: 'mesh',
}

function metrics(isKnownModel = (model: string) => !model.startsWith('unknown')): PrometheusMetrics {
  return new PrometheusMetrics({ isKnownModel, build: { version: '1.2.3', commit: 'abc' } })
}

/** The value of one series, by its name and labels as the text has them. */
async function readSeries(subject: PrometheusMetrics, series: string): Promise<number | undefined> {
  const line = (await subject.text(false)).split('\n').find((text) => text.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length + 1))
}

describe('PrometheusMetrics', () => {
  it('counts a streamed request in every family', async () => {
    const subject = metrics()
    const finished = subject.requestStarted()
    assert.equal(await readSeries(subject, 'heddle_inflight_requests{role="gateway"}'), 1)
    finished(STREAMED)
    const expected: Readonly<Record<string, number>> = {
      'heddle_inflight_requests{role="gateway"}': 0,
      'heddle_requests_total{model="qwen3:8b",outcome="ok"}': 1,
      'heddle_connector_requests_total{connector="mesh",outcome="ok"}': 1,
      'heddle_tokens_total{model="qwen3:8b",direction="input"}': 12,
      'heddle_tokens_total{model="qwen3:8b",direction="output"}': 21,
      'heddle_request_duration_seconds_bucket{le="0.64",model="qwen3:8b",stream="true"}': 0,
      'heddle_request_duration_seconds_bucket{le="1.28",model="qwen3:8b",stream="true"}': 1,
      'heddle_request_duration_seconds_sum{model="qwen3:8b",stream="true"}': 1.25,
      'heddle_time_to_first_token_seconds_bucket{le="0.1",model="qwen3:8b"}': 0,
      'heddle_time_to_first_token_seconds_bucket{le="0.25",model="qwen3:8b"}': 1,
      'heddle_time_per_output_token_seconds_sum{model="qwen3:8b"}': 0.05,
      'gen_ai_server_request_duration_seconds_count{gen_ai_operation_name="chat",gen_ai_request_model="qwen3:8b"}': 1,
      'gen_ai_server_time_to_first_token_seconds_count{gen_ai_operation_name="chat",gen_ai_request_model="qwen3:8b"}': 1,
      'gen_ai_server_time_per_output_token_seconds_count{gen_ai_operation_name="chat",gen_ai_request_model="qwen3:8b"}': 1,
      'heddle_retries_total{stage="before_first_byte"}': 0,
    }
    for (const [series, value] of Object.entries(expected))
      assert.equal(await readSeries(subject, series), value, series)
  })

  it('takes no first token from an answer that came whole, and names the error of one that failed', async () => {
    const subject = metrics()
    subject.requestStarted()({ ...STREAMED, stream: false })
    subject.requestStarted()({ ...STREAMED, outcome: 'upstream_failed', firstByteMs: undefined, attempts: 3 })
    assert.equal(await readSeries(subject, 'heddle_time_to_first_token_seconds_count{model="qwen3:8b"}'), 0)
    assert.equal(await readSeries(subject, 'heddle_requests_total{model="qwen3:8b",outcome="upstream_failed"}'), 1)
    assert.equal(await readSeries(subject, 'heddle_retries_total{stage="before_first_byte"}'), 2)
    const labels = '{gen_ai_operation_name="chat",gen_ai_request_model="qwen3:8b",error_type="upstream_failed"}'
    assert.equal(await readSeries(subject, `gen_ai_server_request_duration_seconds_count${labels}`), 1)
  })

  it('counts routes, failures, dropped rows and runtimes', async () => {
    const subject = metrics()
    subject.routeDecided('least_busy', 'planned')
    subject.routeDecided('least_busy', 'planned')
    subject.routeDecided('no_candidates', 'refused')
    subject.attemptFailed('after_first_byte')
    subject.requestLogDropped(7)
    subject.eventsDropped(3)
    subject.runtimeState('llama', true)
    subject.runtimeState('ollama', false)
    subject.runtimeState('gone', true)
    subject.runtimeRemoved('gone')
    const expected: Readonly<Record<string, number | undefined>> = {
      'heddle_route_decisions_total{reason="least_busy",outcome="planned"}': 2,
      'heddle_route_decisions_total{reason="no_candidates",outcome="refused"}': 1,
      'heddle_failovers_total{stage="before_first_byte"}': 0,
      'heddle_failovers_total{stage="after_first_byte"}': 1,
      heddle_request_log_dropped_total: 7,
      heddle_analytics_events_dropped_total: 3,
      'heddle_runtime_ready{runtime="llama"}': 1,
      'heddle_runtime_ready{runtime="ollama"}': 0,
      'heddle_runtime_ready{runtime="gone"}': undefined,
      [`heddle_build_info{version="1.2.3",commit="abc",node_version="${process.version}"}`]: 1,
    }
    for (const [series, value] of Object.entries(expected))
      assert.equal(await readSeries(subject, series), value, series)
  })

  it('lets clients make no labels: unknown models and those past the bound are other', async () => {
    const subject = metrics()
    for (let model = 0; model < 50; model++) subject.requestStarted()({ ...STREAMED, model: `unknown-${model}` })
    assert.equal(await readSeries(subject, 'heddle_requests_total{model="other",outcome="ok"}'), 50)
    for (let model = 0; model < limit('metricModels') + 20; model++) {
      subject.requestStarted()({ ...STREAMED, model: `m${model}` })
    }
    const text = await subject.text(false)
    const labels = new Set([...text.matchAll(/^heddle_requests_total\{model="([^"]*)"/gm)].map((match) => match[1]))
    assert.equal(labels.size, limit('metricModels'))
    assert(labels.has('other'))
  })

  it('counts a model by its name once it becomes known', async () => {
    let known = false
    const subject = metrics(() => known)
    subject.requestStarted()(STREAMED)
    known = true
    subject.requestStarted()(STREAMED)
    assert.equal(await readSeries(subject, 'heddle_requests_total{model="other",outcome="ok"}'), 1)
    assert.equal(await readSeries(subject, 'heddle_requests_total{model="qwen3:8b",outcome="ok"}'), 1)
  })

  it('reads as OpenMetrics and, afterwards, as Prometheus text as before', async () => {
    const subject = metrics()
    subject.requestStarted()({ ...STREAMED, model: 'odd"\\\nname' })
    const names = (text: string) => text.split('\n').filter((line) => line.startsWith('# TYPE'))
    const before = names(await subject.text(false))
    const open = await subject.text(true)
    assert.match(open, /^# TYPE heddle_requests counter$/m)
    assert.match(open, /^heddle_requests_total\{model="odd\\"\\\\\\nname",outcome="ok"\} 1$/m)
    assert(open.endsWith('\n# EOF\n'))
    assert.deepEqual(names(await subject.text(false)), before)
    assert(before.includes('# TYPE heddle_requests_total counter'), before.join('\n'))
    assert(before.some((line) => line.includes('nodejs_eventloop_lag')))
    assert(before.some((line) => line.includes('process_resident_memory_bytes')))
  })

  it('does not keep the process alive', () => {
    const file = join(import.meta.dirname, 'prometheus-metrics.ts')
    const program = `import { PrometheusMetrics } from ${JSON.stringify(file)}; new PrometheusMetrics({ isKnownModel: () => true, build: { version: '', commit: '' } })`
    execFileSync(process.execPath, ['--input-type=module-typescript', '-e', program], { timeout: 20_000 })
  })
})

describe('SeriesHistogram', () => {
  it('reads as the histogram of the client library does', async () => {
    const edges = [0.01, 0.1, 1, 10]
    const near = fc.oneof(fc.double({ min: 0, max: 20, noNaN: true }), fc.constantFrom(...edges, 0))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom('a', 'b"\\'), near), { maxLength: 50 }), async (observed) => {
        const ours = new Registry()
        const theirs = new Registry()
        const histogram = new SeriesHistogram(ours, 'h', 'help', edges)
        const reference = new Histogram({
          name: 'h',
          help: 'help',
          labelNames: ['l'],
          buckets: edges,
          registers: [theirs],
        })
        const series = new Map<string, ReturnType<SeriesHistogram['series']>>()
        for (const [l, value] of observed) {
          const known = series.get(l) ?? histogram.series({ l })
          series.set(l, known)
          known.observe(value)
          reference.observe({ l }, value)
        }
        assert.equal(await ours.metrics(), await theirs.metrics())
      }),
    )
  })
})

describe('metrics of the mesh', () => {
  it('are read when somebody asks, and absent while there is no mesh', async () => {
    const subject = metrics()
    let counts: MeshCounts | undefined
    subject.watchMesh(() => counts)
    const nothing = await subject.text(false)
    assert.doesNotMatch(
      nothing,
      /^heddle_(mesh_peers|mesh_nodes|gossip_messages_total|clock_behind|bootstrap_failed)\S* /m,
    )
    counts = {
      peers: { direct: 3, circuit: 1 },
      nodes: { live: 5, stale: 2 },
      gossip: { accepted: 40, ignored: 2, rejected: 0 },
      failedBootstrapRounds: 0,
      clockSkewMs: -1_500,
    }
    for (let scrape = 0; scrape < 2; scrape += 1) {
      for (const [series, value] of Object.entries({
        'heddle_mesh_peers{path="direct"}': 3,
        'heddle_mesh_peers{path="circuit"}': 1,
        'heddle_mesh_nodes{state="live"}': 5,
        'heddle_mesh_nodes{state="stale"}': 2,
        'heddle_gossip_messages_total{verdict="accepted"}': 40,
        heddle_bootstrap_failed_rounds: 0,
        heddle_clock_behind_peers_seconds: -1.5,
      }))
        assert.equal(await readSeries(subject, series), value, series)
    }
    assert.match(await subject.text(true), /# EOF\s*$/)
  })
})
