/** A generic HTTP service of one node, reached through another: streamed both ways, known by name, and gone when it is taken back. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { after, before, describe, it } from 'node:test'
import type { ServiceList } from '../../src/core/wire/admin-services.ts'
import { type MeshNode, startMeshNode } from '../support/mesh-node.ts'
import { type LoopbackServer, listenOnLoopback } from '../support/runtime-server.ts'
import { waitUntil } from '../support/wait-until.ts'

const PIECE = 64 * 1024
const PIECES = 160
const BYTES = PIECE * PIECES
/** A record changes at once; ten seconds is what a busy machine may take. */
const KNOWN_MS = 10_000

interface Seen {
  readonly method: string | undefined
  readonly url: string | undefined
  readonly headers: IncomingMessage['headers']
}

describe('a service of another node', { timeout: 120_000 }, () => {
  let ada: MeshNode
  let bob: MeshNode
  let service: LoopbackServer
  const seen: Seen[] = []

  before(async () => {
    service = await listenOnLoopback(async (incoming, response) => {
      const { method, url, headers } = incoming
      seen.push({ method, url, headers })
      if (method === 'HEAD') return void response.end()
      if (url === '/download') {
        response.writeHead(200, { 'content-type': 'application/octet-stream', 'set-cookie': 'a=b' })
        for (let index = 0; index < PIECES; index += 1) {
          if (!response.write(pieceOf(index))) await once(response, 'drain')
        }
        return void response.end()
      }
      if (url === '/old/place') return void response.writeHead(308, { location: `http://${headers.host}/x` }).end()
      if (url === '/broken') return void incoming.socket.destroy()
      if (url === '/cut') {
        response.writeHead(200, { 'content-length': '10' })
        response.write('half', () => incoming.socket.destroy())
        return
      }
      const digest = createHash('sha256')
      let bytes = 0
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        bytes += chunk.length
        digest.update(chunk)
      }
      response.writeHead(201, { 'x-bytes': String(bytes) }).end(digest.digest('hex'))
    })
    ada = await startMeshNode({ name: 'ada' })
    bob = await startMeshNode({ name: 'bob', bootstrap: [ada.address] })
    await add(bob, { name: 'files', url: service.url, groups: ['kind=blob', 'lang=*'] })
    await untilKnown(ada, 'files', true)
  })
  after(async () => {
    for (const node of [ada, bob]) await node?.[Symbol.asyncDispose]()
    await service?.[Symbol.asyncDispose]()
  })

  const headers = (node: MeshNode, more: Record<string, string> = {}): Record<string, string> => ({
    authorization: `Bearer ${node.process.key}`,
    'x-heddle-group-kind': 'blob',
    ...more,
  })

  it('takes a streamed upload of 10 MiB as it comes', async () => {
    const sent = createHash('sha256')
    const upload = request(`${ada.process.url}/v1/service/files/upload?x=1`, { method: 'PUT', headers: headers(ada) })
    const answering = once(upload, 'response') as Promise<[IncomingMessage]>
    for (let index = 0; index < PIECES; index += 1) {
      const piece = pieceOf(index)
      sent.update(piece)
      if (!upload.write(piece)) await once(upload, 'drain')
    }
    upload.end()
    const [response] = await answering
    assert.deepEqual([response.statusCode, response.headers['x-bytes']], [201, String(BYTES)])
    assert.equal(response.headers['x-computing-node'], (await bob.status()).node.id)
    assert.equal(await textOf(response), sent.digest('hex'))
    const last = seen.at(-1)
    assert.deepEqual([last?.method, last?.url], ['PUT', '/upload?x=1'])
    const got = JSON.stringify(last?.headers)
    assert.ok(!got.includes(ada.process.key) && !got.includes('heddle'), got)
  })

  it('gives a streamed download of 10 MiB, and keeps its cookies', async () => {
    const response = await fetch(`${ada.process.url}/v1/service/files/download`, { headers: headers(ada) })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('set-cookie'), null)
    const digest = createHash('sha256')
    let bytes = 0
    for await (const chunk of response.body ?? []) {
      bytes += chunk.length
      digest.update(chunk)
    }
    assert.equal(bytes, BYTES)
    assert.equal(digest.digest('hex'), digestOfAll())
  })

  it('leads its redirects back through itself, without its address', async () => {
    const asking = { headers: headers(ada), redirect: 'manual' as const }
    const response = await fetch(`${ada.process.url}/v1/service/files/old/place`, asking)
    assert.deepEqual([response.status, response.headers.get('location')], [308, '/v1/service/files/x'])
  })

  it('never turns a failure into a 200, nor half an answer into a whole one', async () => {
    const broken = await fetch(`${ada.process.url}/v1/service/files/broken`, { headers: headers(ada) })
    assert.equal(broken.status, 502)
    await broken.arrayBuffer()
    const cut = await fetch(`${ada.process.url}/v1/service/files/cut`, { headers: headers(ada) })
    await assert.rejects(cut.arrayBuffer())
  })

  it('is chosen by its groups, as strictly as was asked', async () => {
    const ask = (more: Record<string, string>) =>
      fetch(`${ada.process.url}/v1/service/files/x`, {
        headers: { authorization: `Bearer ${ada.process.key}`, ...more },
      })
    const none = await ask({})
    assert.equal(none.status, 503)
    assert.match(await none.text(), /kind=blob/)
    assert.equal((await ask({ 'x-heddle-group-lang': 'de' })).status, 503)
    assert.equal((await ask({ 'x-heddle-group-lang': 'de', 'x-heddle-strictness': 'wildcard' })).status, 201)
  })

  it('lets nobody out of it', async () => {
    const count = seen.length
    for (const path of ['/%2e%2e/admin', '/..%2fadmin', '/a/..;/admin', '/%252e%252e/admin']) {
      const answer = await rawStatus(`${ada.process.url}/v1/service/files`, path, headers(ada))
      assert.ok(answer === 400 || answer === 404, `${path}: ${answer}`)
    }
    assert.equal(seen.length, count)
  })

  it('is listed with those of the other nodes, and gone at once when it is taken back', async () => {
    const { services, others } = await list(ada)
    assert.deepEqual(services, [])
    const files = others.find(({ service: name }) => name === 'files')
    assert.deepEqual([files?.nodeName, files?.state, files?.groups], ['bob', 'ready', ['kind=blob', 'lang=*']])
    assert.ok(!JSON.stringify(others).includes(String(service.port)), 'the address of a service left its node')
    const { adminKey, url } = bob.process
    const removal = { method: 'DELETE', headers: { authorization: `Bearer ${adminKey}` } }
    assert.equal((await fetch(`${url}/api/v1/services/files`, removal)).status, 200)
    await untilKnown(ada, 'files', false)
    const gone = await fetch(`${ada.process.url}/v1/service/files/x`, { headers: headers(ada) })
    assert.equal(gone.status, 404)
  })

  it('is there again after a restart of its node', async () => {
    await add(bob, { name: 'kept', url: service.url })
    await bob.restart()
    await untilKnown(ada, 'kept', true)
    const answer = await fetch(`${ada.process.url}/v1/service/kept/x`, {
      method: 'POST',
      body: 'hello',
      headers: headers(ada),
    })
    assert.deepEqual([answer.status, answer.headers.get('x-bytes')], [201, '5'])
  })
})

function pieceOf(index: number): Buffer {
  return Buffer.alloc(PIECE, index % 251)
}

function digestOfAll(): string {
  const digest = createHash('sha256')
  for (let index = 0; index < PIECES; index += 1) digest.update(pieceOf(index))
  return digest.digest('hex')
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response as AsyncIterable<Buffer>) text += chunk.toString()
  return text
}

async function add({ process: { url, adminKey } }: MeshNode, body: object): Promise<void> {
  const response = await fetch(`${url}/api/v1/services`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  assert.equal(response.status, 201, await response.text())
}

async function list({ process }: MeshNode): Promise<ServiceList> {
  return (await (await process.get('/api/v1/services', process.adminKey)).json()) as ServiceList
}

async function untilKnown(node: MeshNode, name: string, isKnown: boolean): Promise<void> {
  const knows = async (): Promise<boolean> =>
    (await list(node)).others.some(({ service, state }) => service === name && state === 'ready')
  await waitUntil(async () => (await knows()) === isKnown, `${node.name} to hear of "${name}"`, KNOWN_MS)
}

/** The status of a path as it stands, which `fetch` would have tidied up. */
async function rawStatus(base: string, path: string, headers: Record<string, string>): Promise<number | undefined> {
  const { hostname, port, pathname } = new URL(base)
  const asking = request({ hostname, port, path: pathname + path, headers })
  asking.end()
  const [response] = (await once(asking, 'response')) as [IncomingMessage]
  response.resume()
  return response.statusCode
}
