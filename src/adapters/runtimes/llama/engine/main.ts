/** The engine process: owns the native code, serves OpenAI's API on a private socket, and ends with its parent. */
import { rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type EngineLibrary, openEngine } from './library.ts'
import type { EngineConfig, FromEngine, ToEngine } from './messages.ts'
import { ModelPool } from './model-pool.ts'
import { engineServer } from './server.ts'

const send = (message: FromEngine): void => {
  // A parent that is gone is handled by the disconnect below.
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

async function start(config: EngineConfig, checks: FileChecks): Promise<ModelPool> {
  const library: EngineLibrary = await openEngine(config)
  const pool = new ModelPool(
    {
      library,
      check: (path) => checks.ask(path),
      onLoaded: (models) => send({ type: 'loaded', models }),
      onFailed: (id, reason) => send({ type: 'load-failed', id, reason }),
    },
    { sequences: config.sequences, loadedModels: config.loadedModels },
  )
  pool.setModels(config.models)
  const server = engineServer({ pool })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(config.socketPath, resolve)
  })
  if (process.platform !== 'win32') await chmod(config.socketPath, 0o600)
  await pool.preload()
  send({ type: 'ready', processor: library.processor })
  return pool
}

/** Questions to the parent about files, each answered once. */
class FileChecks {
  readonly #waiting = new Map<string, ((problem: string | undefined) => void)[]>()

  ask(path: string): Promise<string | undefined> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(path)
      if (waiting === undefined) this.#waiting.set(path, [resolve])
      else waiting.push(resolve)
      send({ type: 'check', path })
    })
  }

  answer(path: string, problem: string | undefined): void {
    const waiting = this.#waiting.get(path) ?? []
    this.#waiting.delete(path)
    for (const resolve of waiting) resolve(problem)
  }
}

function main(): void {
  const checks = new FileChecks()
  let pool: Promise<ModelPool> | undefined
  let socketPath: string | undefined
  process.on('disconnect', () => {
    // A node that was killed cannot remove the folder that it made for the socket.
    if (socketPath !== undefined && process.platform !== 'win32')
      rmSync(dirname(socketPath), { recursive: true, force: true })
    process.exit(0)
  })
  // Ctrl+C reaches the whole terminal group; the parent drains first and then ends this process.
  process.on('SIGINT', () => {})
  process.on('SIGHUP', () => {})
  process.on('message', (message: ToEngine) => {
    switch (message.type) {
      case 'configure':
        socketPath = message.config.socketPath
        pool = start(message.config, checks)
        pool.catch(giveUp)
        return
      case 'models':
        void pool?.then((models) => models.setModels(message.models))
        return
      case 'checked':
        checks.answer(message.path, message.problem)
        return
      default:
        message satisfies never
    }
  })
}

/** Says why before leaving, so that the parent can tell people; 78 is EX_CONFIG of sysexits.h. */
function giveUp(error: unknown): void {
  const reason = error instanceof Error ? error.message : 'the engine failed to start'
  const fix = error instanceof Error && 'fix' in error && typeof error.fix === 'string' ? error.fix : ''
  process.send?.({ type: 'unusable', reason, fix } satisfies FromEngine, undefined, undefined, () => process.exit(78))
}

main()
