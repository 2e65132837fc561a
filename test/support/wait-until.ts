/** Waits for something that happens elsewhere: another process, the other end of a socket. */
import { setTimeout as sleep } from 'node:timers/promises'

const LOOK_MS = 10

/** Asks again and again until `holds`; fails after `timeoutMs`, saying what did not come. Resolves with how long it took in ms. */
export async function waitUntil(
  holds: () => boolean | Promise<boolean>,
  what: string,
  timeoutMs = 10_000,
): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    if (await holds()) return performance.now() - startedAt
    if (performance.now() - startedAt > timeoutMs) throw new Error(`waited ${timeoutMs} ms for ${what}`)
    await sleep(LOOK_MS)
  }
}
