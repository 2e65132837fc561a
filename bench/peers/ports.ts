/** Free loopback ports, and waiting until something listens on one. */
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { RunningProcess } from './processes.ts'

const START_TIMEOUT_MS = 30_000
const POLL_MS = 20

function listenAnywhere(): Promise<{ port: number; close: () => Promise<void> }> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      if (address === null || typeof address === 'string') return reject(new Error('no port was given'))
      resolve({ port: address.port, close: () => new Promise((done) => server.close(() => done())) })
    })
  })
}

/** `count` different ports that were free a moment ago. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(Array.from({ length: count }, listenAnywhere))
  await Promise.all(held.map((one) => one.close()))
  return held.map((one) => one.port)
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Waits until `port` accepts connections; fails at once when the process that should listen there has ended. */
export async function waitForPort(
  process: RunningProcess,
  port: number,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS
  while (!(await accepts(port))) {
    process.throwIfEnded()
    if (performance.now() > deadline)
      throw new Error(`${process.name} did not listen within ${START_TIMEOUT_MS} ms: ${process.lastOutput()}`)
    await sleep(POLL_MS, undefined, { signal })
  }
}
