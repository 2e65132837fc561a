/** The upper layers of a ping: a request that no runtime has to think about, and one token of a model. */
import { HeddleError } from '../core/errors.ts'
import { asRuntimeId, type RequestId } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { MessageHeaders, MessageResponse } from '../core/message.ts'
import type { NodeService } from '../core/registry/node-record.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { PingReply } from '../core/wire/admin-mesh.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connector } from '../ports/connector.ts'
import { roundedMs } from './mesh-views.ts'

export interface PingDeps {
  readonly connector: Pick<Connector, 'send'>
  readonly clock: Pick<Clock, 'monotonic'>
  readonly requestId: () => RequestId
}

const LLM = 'llm'

export async function pingHttp(
  deps: PingDeps,
  entry: RegistryEntry,
  options: { readonly signal: AbortSignal },
): Promise<NonNullable<PingReply['http']>> {
  const [service] = entry.record.services.filter(({ name }) => name === LLM)
  if (service === undefined) throw nothingToAsk(entry)
  const { status, ms } = await exchange(deps, entry, service, { method: 'GET', path: '/v1/models' }, options)
  return { status, ms }
}

export async function pingInference(
  deps: PingDeps,
  entry: RegistryEntry,
  options: { readonly signal: AbortSignal },
): Promise<NonNullable<PingReply['inference']>> {
  for (const service of entry.record.services) {
    const offer = service.offers.find(({ endpoints }) => endpoints.includes('chat'))
    if (service.name !== LLM || service.state !== 'ready' || offer === undefined) continue
    const body = { model: offer.id, messages: [{ role: 'user', content: 'ping' }], max_tokens: 1 }
    const request = { method: 'POST', path: '/v1/chat/completions', json: body }
    const late = AbortSignal.timeout(limit('firstByteTimeoutMs'))
    const { status, ms } = await exchange(deps, entry, service, request, {
      signal: AbortSignal.any([options.signal, late]),
    })
    return { model: offer.id, runtime: service.runtime, status, ms }
  }
  throw new HeddleError('model_not_found', `${entry.record.name} has no model for chat that is ready`, {
    fix: `heddle nodes show ${entry.record.peer}`,
  })
}

/** The whole exchange, to the last byte of the answer. */
async function exchange(
  { connector, clock, requestId }: PingDeps,
  { record }: RegistryEntry,
  { runtime }: NodeService,
  { method, path, json }: { readonly method: string; readonly path: string; readonly json?: object },
  options: { readonly signal: AbortSignal },
): Promise<{ readonly status: number; readonly ms: number }> {
  const startedAt = clock.monotonic()
  const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json))
  const headers: MessageHeaders = body === undefined ? {} : { 'content-type': 'application/json' }
  try {
    const answer = await connector.send(
      { node: record.peer, connector: 'mesh', runtime: asRuntimeId(runtime) },
      { id: requestId(), service: LLM, method, path, headers, body },
      options,
    )
    await readAll(answer)
    return { status: answer.status, ms: roundedMs(clock.monotonic() - startedAt) }
  } catch (error) {
    if (!(options.signal.reason instanceof DOMException) || options.signal.reason.name !== 'TimeoutError') throw error
    throw new HeddleError('timeout', `${record.name} answered no ${method} ${path} in time`, { cause: error })
  }
}

async function readAll({ body }: MessageResponse): Promise<void> {
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > limit('pingAnswerBytes')) throw new HeddleError('upstream_failed', 'the answer to a ping is too long')
  }
}

function nothingToAsk({ record }: RegistryEntry): HeddleError {
  return new HeddleError('model_not_found', `${record.name} serves no models, so there is nothing to ask it`, {
    fix: `heddle ping ${record.peer} --layer path`,
  })
}
