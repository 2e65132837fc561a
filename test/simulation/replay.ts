/** Runs one seed of the simulation again: `node scripts/run.js test/simulation/replay.ts <seed> [last seed]`. */
import { runSeed } from './run-seed.ts'

const [first = 0, last = first] = process.argv.slice(2).map(Number)
for (let seed = first; seed <= last; seed += 1) {
  try {
    const { trace, virtualMs } = await runSeed(seed)
    if (first === last) for (const line of trace) process.stdout.write(`${line}\n`)
    process.stdout.write(`seed ${seed} holds after ${Math.round(virtualMs / 1000)} virtual seconds\n`)
  } catch (error) {
    process.exitCode = 1
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`)
  }
}
