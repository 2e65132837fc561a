/** Runs wrk, the load generator for whole JSON answers, and reads what it measured. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface WrkResult {
  readonly requests: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Bytes received, heads included. */
  readonly bytes: number
  /** Answers that were not 2xx, and connections that failed or timed out. */
  readonly errors: number
}

const ERROR_FIELDS = ['status', 'connect', 'read', 'write', 'timeout'] as const

/** Parses the RESULT line of chat.lua. */
export function parseWrk(output: string): WrkResult {
  const line = /^RESULT (.+)$/m.exec(output)?.[1]
  if (line === undefined) throw new Error(`wrk gave no result: ${output.slice(-500)}`)
  const fields = new Map(line.split(' ').map((pair) => pair.split('=', 2) as [string, string]))
  const field = (name: string): number => {
    const value = Number(fields.get(name))
    if (!Number.isFinite(value)) throw new Error(`wrk's result lacks ${name}: ${line}`)
    return value
  }
  return {
    requests: field('requests'),
    requestsPerSecond: field('requests') / (field('micros') / 1e6),
    p50Ms: field('p50') / 1000,
    p99Ms: field('p99') / 1000,
    bytes: field('bytes'),
    errors: ERROR_FIELDS.reduce((sum, name) => sum + field(name), 0),
  }
}

export interface WrkJob {
  readonly url: string
  readonly bodyFile: string
  readonly headers: Readonly<Record<string, string>>
  readonly connections: number
  readonly seconds: number
}

/** One thread of wrk against `url` for `seconds`. */
export function runWrk(
  { url, bodyFile, headers, connections, seconds }: WrkJob,
  { signal }: { readonly signal: AbortSignal },
): Promise<WrkResult> {
  const script = fileURLToPath(new URL('chat.lua', import.meta.url))
  const args = ['-t1', `-c${connections}`, `-d${seconds}s`, '--timeout', '10s', '-s', script, url, '--', bodyFile]
  const child = spawn('wrk', [...args, ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  let output = ''
  child.stdout.on('data', (data: Buffer) => (output += data.toString()))
  child.stderr.on('data', (data: Buffer) => (output += data.toString()))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      try {
        if (code !== 0) throw new Error(`wrk ended with ${code}: ${output.slice(-500)}`)
        resolve(parseWrk(output))
      } catch (error) {
        reject(error)
      }
    })
  })
}
