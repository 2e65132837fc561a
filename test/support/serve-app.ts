/** The HTTP surface on a loopback socket, behind its guard, and a plain client for it. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { asRequestId } from '../../src/core/ids.ts'
import { buildApp } from '../../src/http/app.ts'
import { errorReply } from '../../src/http/errors.ts'
import { createGuard } from '../../src/http/guard.ts'
import type { FakeNode } from './fake-app-deps.ts'

/** The app behind a guard on loopback, closed with the test. */
export async function serveApp(t: TestContext, node: FakeNode, app = buildApp(node.deps)): Promise<number> {
  await app.ready()
  const guard = createGuard({
    listenHost: '127.0.0.1',
    nodeName: 'studio-pc',
    hosts: [],
    origins: ['http://localhost:*'],
  })
  const server = createServer((incoming, response) => {
    const { method = 'GET', url = '/', headers } = incoming
    const verdict = guard({ method, url, headers, localAddress: incoming.socket.localAddress })
    if (verdict.kind === 'pass') {
      for (let index = 0; index < verdict.headers.length; index += 2) {
        response.setHeader(verdict.headers[index] ?? '', verdict.headers[index + 1] ?? '')
      }
      app.routing(incoming, response)
    } else if (verdict.kind === 'preflight') {
      response.writeHead(204, [...verdict.headers]).end()
    } else {
      const reply = errorReply(verdict.error, asRequestId('req_guard'))
      response.writeHead(reply.status, reply.headers).end(reply.body)
      incoming.resume()
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    server.closeAllConnections()
    server.close()
    await app.close()
  })
  return (server.address() as AddressInfo).port
}

export interface Ask {
  readonly method?: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export async function ask(port: number, { method = 'GET', path, headers = {}, body }: Ask): Promise<IncomingMessage> {
  const outgoing = request({
    host: '127.0.0.1',
    port,
    method,
    path,
    headers: { authorization: 'Bearer admin', ...headers },
    agent: false,
  })
  outgoing.on('error', () => undefined) // a connection that is cut is what some tests are about
  outgoing.end(body)
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage]
  response.on('error', () => undefined)
  return response
}

export async function textOf(response: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of response.setEncoding('utf8')) text += String(chunk)
  return text
}
