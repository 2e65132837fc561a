/** Opens the native library: prebuilt binaries only, nothing is compiled or downloaded. */
import { availableParallelism } from 'node:os'
import type { Llama, LlamaGrammarEvaluationState, TokenBias } from 'node-llama-cpp'
import type { EngineConfig, EngineGpu } from './messages.ts'

type Module = typeof import('node-llama-cpp')

/** The library with the few classes that requests need. */
export interface EngineLibrary {
  readonly llama: Llama
  readonly GrammarState: typeof LlamaGrammarEvaluationState
  readonly TokenBias: typeof TokenBias
  /** What computes, for people. */
  readonly processor: string
  /** Prompt tokens evaluated between two looks at whether the client is still there. */
  readonly promptStepTokens: number
}

/** The engine cannot run here as configured. */
export class EngineUnusable extends Error {
  override readonly name = 'EngineUnusable'
  readonly fix: string

  constructor(message: string, fix: string, cause: unknown) {
    super(message, { cause })
    this.fix = fix
  }
}

const VERSION = '3.22.1'
/** On a CPU this many tokens fill the units as well as more do, and an abandoned prompt stops sooner. */
const CPU_STEP_TOKENS = 64
const GPU_STEP_TOKENS = 512

export async function openEngine({ engine, gpu, threads }: EngineConfig): Promise<EngineLibrary> {
  const module = await importEngine(engine)
  const llama = await module
    .getLlama({
      gpu: gpuOption(gpu),
      build: 'never',
      skipDownload: true,
      maxThreads: threads === 0 ? defaultThreads() : threads,
      logLevel: module.LlamaLogLevel.error,
      // Native messages may quote a grammar or a prompt, so they go nowhere.
      logger: () => {},
      progressLogs: false,
    })
    .catch((cause: unknown) => {
      throw unusableBinary(gpu, cause)
    })
  return {
    llama,
    GrammarState: module.LlamaGrammarEvaluationState,
    TokenBias: module.TokenBias,
    processor: llama.gpu === false ? 'CPU' : `GPU (${llama.gpu})`,
    promptStepTokens: llama.gpu === false ? CPU_STEP_TOKENS : GPU_STEP_TOKENS,
  }
}

async function importEngine(engine: string): Promise<Module> {
  try {
    return (await import(engine)) as Module
  } catch (cause) {
    throw new EngineUnusable(
      'the engine node-llama-cpp is not installed',
      `npm install node-llama-cpp@${VERSION} @node-llama-cpp/${platformPackage()}@${VERSION}, then restart heddle`,
      cause,
    )
  }
}

/**
 * The engine's threads wait for each other by spinning, so one more than there are free cores makes it slower by a factor,
 * not by a share; half of the logical processors are about the physical ones.
 */
function defaultThreads(): number {
  return Math.max(1, Math.floor(availableParallelism() / 2))
}

function gpuOption(gpu: EngineGpu): false | 'auto' | 'cuda' | 'vulkan' | 'metal' {
  return gpu === 'cpu' ? false : gpu
}

function unusableBinary(gpu: EngineGpu, cause: unknown): EngineUnusable {
  const what = gpu === 'cpu' || gpu === 'auto' ? '' : `-${gpu}`
  return new EngineUnusable(
    `no prebuilt engine for ${gpu} works on ${process.platform}-${process.arch}`,
    gpu === 'cpu'
      ? `npm install @node-llama-cpp/${platformPackage()}@${VERSION}, then restart heddle`
      : `npm install @node-llama-cpp/${platformPackage()}${what}@${VERSION}, or set the engine to cpu, then restart heddle`,
    cause,
  )
}

function platformPackage(): string {
  const os = process.platform === 'darwin' ? 'mac' : process.platform === 'win32' ? 'win' : process.platform
  return process.platform === 'darwin' && process.arch === 'arm64' ? 'mac-arm64-metal' : `${os}-${process.arch}`
}
