/** Streams of the memory network keep the promises of a Duplex, on quiet and on rough networks. */
import { duplexContract } from '../../../test/contracts/duplex.contract.ts'
import { asNodeId } from '../../core/ids.ts'
import type { Duplex } from '../../ports/duplex.ts'
import { MemoryClock } from './memory-clock.ts'
import type { LinkConditions } from './memory-link.ts'
import { MemoryNetwork } from './memory-network.ts'

function contract(name: string, conditions: Partial<LinkConditions>): void {
  duplexContract(name, async () => {
    const clock = new MemoryClock()
    const network = new MemoryNetwork({ clock }, { seed: 7, conditions })
    let accepted: Duplex | undefined
    network.host(asNodeId('b')).listen((duplex) => {
      accepted = duplex
    })
    const dialling = network.host(asNodeId('a')).dial(asNodeId('b'), { signal: new AbortController().signal })
    await clock.advance(1_000)
    const dialled = await dialling
    if (accepted === undefined) throw new Error('the stream was not accepted')
    return {
      ends: [dialled, accepted],
      async until(condition) {
        for (let turns = 0; !condition(); turns += 1) {
          if (turns > 1_000) throw new Error('it never came true')
          await clock.advance(100)
        }
      },
      async [Symbol.asyncDispose]() {},
    }
  })
}

contract('a stream of the memory network', {})
contract('a stream of a slow and uneven memory network', {
  delayMs: 40,
  jitterMs: 80,
  bytesPerMs: 5_000,
  pieceBytes: 60_000,
  loss: 0.5,
  duplication: 0.5,
  reordering: 0.5,
})
