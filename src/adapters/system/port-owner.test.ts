/** Tests of finding the process behind a port. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { basename } from 'node:path'
import { describe, it } from 'node:test'
import { listenersIn, portOwner } from './port-owner.ts'

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'
const row = (local: string, state: string, inode: number): string =>
  `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000  1000        0 ${inode} 1 0 100 0`

describe('listenersIn', () => {
  it('takes listening sockets of the port and no others', () => {
    const table = [
      HEAD,
      row('0100007F:2CB0', '0A', 11),
      row('0100007F:2CB0', '01', 12),
      row('0100007F:2CB1', '0A', 13),
      '',
    ].join('\n')
    assert.deepEqual(listenersIn(table, 11_440), ['11'])
    assert.deepEqual(listenersIn('', 11_440), [])
  })
})

describe('portOwner', () => {
  it('names the process that listens, and nobody on a free port', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const owner = await portOwner(port)
    const expected = process.platform === 'linux' ? process.pid : undefined
    assert.equal(owner?.pid, expected)
    assert.equal(owner?.name, process.platform === 'linux' ? basename(process.execPath) : undefined)
    server.close()
    await once(server, 'close')
    assert.equal(await portOwner(port), undefined)
  })
})
