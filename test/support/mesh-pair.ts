/** Two mesh sessions over a memory network on virtual time, and a hand-driven peer for what no session would send. */
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import type { LinkConditions } from '../../src/adapters/memory/memory-link.ts'
import { MemoryNetwork } from '../../src/adapters/memory/memory-network.ts'
import { asNodeId, asRequestId } from '../../src/core/ids.ts'
import { MeshSession } from '../../src/core/mesh/session.ts'
import type { SessionEnd } from '../../src/core/mesh/session-error.ts'
import type { MeshSessionOptions } from '../../src/core/mesh/session-options.ts'
import type { MessageBody, MessageRequest, MessageResponse } from '../../src/core/message.ts'
import type { Frame } from '../../src/core/wire/frames/frame.ts'
import { type Decoded, FrameDecoder } from '../../src/core/wire/frames/frame-decoder.ts'
import { encodeFrame } from '../../src/core/wire/frames/frame-writer.ts'
import type { Duplex } from '../../src/ports/duplex.ts'

export type Serve = (request: MessageRequest, options: { readonly signal: AbortSignal }) => Promise<MessageResponse>

export const A = asNodeId('a')
export const B = asNodeId('b')
/** A signal that never aborts. */
export const calm = (): AbortSignal => new AbortController().signal

export interface Side {
  readonly session: MeshSession<AbortSignal>
  /** Why the session ended; empty while it runs. */
  readonly ends: SessionEnd[]
}

export interface Wire {
  readonly clock: MemoryClock
  readonly network: MemoryNetwork
  /** The ends of a stream that A dialled. */
  readonly atA: Duplex
  readonly atB: Duplex
  /** Lets time pass until `promise` is settled. */
  readonly during: <T>(promise: Promise<T>) => Promise<T>
}

export async function openWire(conditions: Partial<LinkConditions> = {}, seed = 1): Promise<Wire> {
  const clock = new MemoryClock()
  const network = new MemoryNetwork({ clock }, { seed, conditions })
  const accepted = Promise.withResolvers<Duplex>()
  network.host(B).listen(accepted.resolve)
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    for (let turn = 0; !isSettled; turn += 1) {
      if (turn > 100_000) throw new Error('it never settled')
      await clock.advance(1)
    }
    return promise
  }
  const atA = await during(network.host(A).dial(B, { signal: calm() }))
  return { clock, network, atA, atB: await accepted.promise, during }
}

export function openSide(
  { clock }: Pick<Wire, 'clock'>,
  duplex: Duplex,
  options: MeshSessionOptions,
  onRequest: Serve = noServer,
  schedule: (task: () => void) => void = (task) => void clock.after(0, task),
): Side {
  const ends: SessionEnd[] = []
  const session = new MeshSession<AbortSignal>(
    {
      duplex,
      clock,
      schedule,
      openCancel: () => new AbortController(),
      onRequest,
      onEnd: (end) => void ends.push(end),
    },
    options,
  )
  return { session, ends }
}

export interface Pair extends Wire {
  /** The side that dialled. */
  readonly a: Side
  readonly b: Side
}

export interface PairOptions {
  readonly conditions?: Partial<LinkConditions>
  readonly seed?: number
  readonly serveA?: Serve
  readonly serveB?: Serve
  readonly a?: Partial<MeshSessionOptions>
  readonly b?: Partial<MeshSessionOptions>
}

/** Two sessions that have not exchanged anything yet. */
export async function openPair({ conditions, seed, serveA, serveB, a, b }: PairOptions = {}): Promise<Pair> {
  const wire = await openWire(conditions, seed)
  return {
    ...wire,
    a: openSide(wire, wire.atA, { side: 'dialler', ...a }, serveA),
    b: openSide(wire, wire.atB, { side: 'listener', ...b }, serveB),
  }
}

/** A peer without a session: sends the frames it is told to, and keeps those that come. */
export class RawPeer {
  readonly frames: Decoded[] = []
  readonly ends: unknown[] = []
  readonly #duplex: Duplex

  constructor(duplex: Duplex) {
    this.#duplex = duplex
    const decoder = new FrameDecoder((frame) => this.frames.push(frame))
    duplex.start({
      received: (bytes) => void decoder.push(bytes),
      drained: () => {},
      closed: (error) => void this.ends.push(error),
    })
  }

  send(...frames: readonly Frame[]): void {
    this.#duplex.send(frames.map(encodeFrame))
  }

  bytes(...bytes: readonly number[]): void {
    this.#duplex.send([Uint8Array.from(bytes)])
  }

  hello(changes: { least?: number; most?: number; windowBytes?: number; openRequests?: number } = {}): void {
    this.send({ kind: 'hello', least: 1, most: 1, features: 0, windowBytes: 262_144, openRequests: 256, ...changes })
  }

  open(stream: number, changes: { isLast?: boolean; path?: string } = {}): void {
    const request = { id: 'req_raw', service: 'llm', method: 'POST', path: '/', headers: {} }
    this.send({ kind: 'open', stream, isLast: true, ...request, ...changes })
  }

  ofKind<Kind extends Decoded['kind']>(kind: Kind): Extract<Decoded, { kind: Kind }>[] {
    return this.frames.filter((frame): frame is Extract<Decoded, { kind: Kind }> => frame.kind === kind)
  }
}

export function requestOf(
  path: string,
  body?: MessageRequest['body'],
  changes: Partial<MessageRequest> = {},
): MessageRequest {
  return { id: asRequestId('req_test'), service: 'llm', method: 'POST', path, headers: {}, body, ...changes }
}

export const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text))

export async function readAll(body: MessageBody): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for await (const chunk of body) chunks.push(chunk)
  return Uint8Array.from(Buffer.concat(chunks))
}

/** The whole of a body that a server was given. */
export async function wholeOf(body: MessageRequest['body']): Promise<Uint8Array> {
  if (body === undefined) return new Uint8Array(0)
  return body instanceof Uint8Array ? body : readAll(body)
}

/** A body of `bytes`, in chunks of `chunkBytes`; `onChunk` is told before each. */
export async function* source(
  bytes: number,
  chunkBytes: number,
  onChunk?: (sent: number) => void,
): AsyncGenerator<Uint8Array> {
  for (let sent = 0; sent < bytes; sent += chunkBytes) {
    onChunk?.(sent)
    yield new Uint8Array(Math.min(chunkBytes, bytes - sent)).fill(sent / chunkBytes)
  }
}

export const answer = (body: MessageBody, changes: Partial<MessageResponse> = {}): MessageResponse => ({
  status: 200,
  headers: {},
  body,
  ...changes,
})

async function noServer(): Promise<MessageResponse> {
  throw new Error('nobody serves here')
}
