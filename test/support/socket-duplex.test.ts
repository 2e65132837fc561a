/** A TCP socket keeps the promises of a Duplex. */
import { setTimeout as sleep } from 'node:timers/promises'
import { duplexContract } from '../contracts/duplex.contract.ts'
import { openSocketPair } from './socket-duplex.ts'

duplexContract('a TCP socket', async () => {
  const pair = await openSocketPair()
  return {
    ends: pair.ends,
    async until(condition) {
      const endsAt = performance.now() + 5_000
      while (!condition()) {
        if (performance.now() > endsAt) throw new Error('it never came true')
        await sleep(1)
      }
    },
    [Symbol.asyncDispose]: () => pair[Symbol.asyncDispose](),
  }
})
