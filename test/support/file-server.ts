/** A loopback HTTP server with one file and the habits, good and bad, of servers that offer downloads. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'

export interface FileServerHabits {
  bytes: Uint8Array
  /** Undefined: none is sent. */
  etag: string | undefined
  /** Honours Range and If-Range. */
  ranges: boolean
  /** The connection is cut after this many bytes of the file, once for each entry. */
  cuts: number[]
  /** Nothing more is sent after this many bytes of the file, and the connection kept, once for each entry. */
  stalls: number[]
  /** Taken on after the next answer with content. */
  next: Partial<FileServerHabits>
  /** Declares this size, or none at all. */
  declared: number | 'none' | undefined
  /** Answers these first, one for each request. */
  statuses: number[]
  /** Redirects `/file.gguf` this way. */
  redirect: string | undefined
  headers: Record<string, string>
}

export interface FileServer {
  readonly url: string
  readonly habits: FileServerHabits
  readonly requests: {
    readonly path: string
    readonly range: string | undefined
    readonly ifRange: string | undefined
  }[]
  /** For each answer with content, the places in the file that it offered. */
  readonly served: { readonly from: number; readonly to: number }[]
}

export async function startFileServer(
  t: TestContext,
  habits: Partial<FileServerHabits> & Pick<FileServerHabits, 'bytes'>,
): Promise<FileServer> {
  const all: FileServerHabits = {
    etag: '"v1"',
    ranges: true,
    cuts: [],
    stalls: [],
    next: {},
    declared: undefined,
    statuses: [],
    redirect: undefined,
    headers: {},
    ...habits,
  }
  const subject: Subject = { habits: all, requests: [], served: [] }
  const server = createServer((request, response) => answer(subject, request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/file.gguf`, ...subject }
}

type Subject = Pick<FileServer, 'habits' | 'requests' | 'served'>

function answer({ habits, requests, served }: Subject, request: IncomingMessage, response: ServerResponse): void {
  const { range, 'if-range': ifRange } = request.headers
  requests.push({ path: request.url ?? '', range, ifRange: typeof ifRange === 'string' ? ifRange : undefined })
  const status = habits.statuses.shift()
  if (status !== undefined) return void response.writeHead(status).end('not now')
  if (habits.redirect !== undefined && request.url?.startsWith('/file.gguf') === true) {
    return void response.writeHead(302, { location: habits.redirect }).end()
  }
  const { bytes, etag } = habits
  const asked = habits.ranges ? /^bytes=(\d+)-$/.exec(range ?? '')?.[1] : undefined
  const from = asked !== undefined && (ifRange === undefined || ifRange === etag) ? Number(asked) : undefined
  const version = etag === undefined ? {} : { etag }
  if (from !== undefined && from >= bytes.length) {
    return void response.writeHead(416, { 'content-range': `bytes */${bytes.length}`, ...version }).end()
  }
  const start = from ?? 0
  const size = habits.declared ?? bytes.length
  response.writeHead(from === undefined ? 200 : 206, {
    ...version,
    ...(size === 'none' ? {} : { 'content-length': String(size - start) }),
    ...(from === undefined ? {} : { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    ...habits.headers,
  })
  const cut = habits.cuts.shift()
  const stall = habits.stalls.shift()
  const end = Math.max(start, Math.min(cut ?? bytes.length, stall ?? bytes.length))
  served.push({ from: start, to: end })
  response.write(bytes.subarray(start, end), () => {
    // Destroyed only once the bytes are out, so that the client has them.
    if (cut !== undefined) setTimeout(() => response.destroy(), 20)
    else if (stall === undefined) response.end()
  })
  Object.assign(habits, habits.next)
}
