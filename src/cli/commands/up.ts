/** `heddle up`: starts a node in the background and waits until it can answer; where one runs, tells of it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Config, loadConfig } from '../../compose/config.ts'
import { SETTINGS, type SettingKey } from '../../compose/settings.ts'
import { HeddleError } from '../../core/errors.ts'
import type { ConfigView, Status } from '../../core/wire/admin.ts'
import { durationText } from '../amounts.ts'
import { ApiClient, parseErrorCode } from '../api-client.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { findNode, readNodeFile } from '../find-node.ts'
import { statusLines } from '../node-report.ts'
import { durationOption } from '../option-values.ts'
import { flagArguments, flagsOf, type SettingOptions } from '../setting-flags.ts'
import { valueText } from '../setting-text.ts'

const LOOK_EVERY_MS = 50
/** V8 lets its young generation grow to 48 MiB while a node starts, and keeps it; a quarter of that serves as fast. */
const YOUNG_GENERATION = '--max-semi-space-size=4'

export async function up(context: Context, options: SettingOptions): Promise<ExitCode> {
  const waitMs = durationOption('--wait', String(options['wait']))
  const flags = flagsOf(options)
  // What is wrong with the configuration is told here, not in a log file.
  const config = loadConfig({ flags, env: context.env, configFile: context.options.config })
  const running = await statusOf(context)
  if (running !== undefined) {
    report(context, running)
    await tellOfOtherSettings(context, flags)
    return EXIT.ok
  }
  const child = await startDetached(context, config, flags)
  report(context, await firstStatus(context, config, child, waitMs))
  return EXIT.ok
}

/** The status of the node of this machine; undefined where none answers. */
async function statusOf(context: Context): Promise<Status | undefined> {
  const { paths, env, signal } = context
  try {
    // `up` is about this machine, whatever --host says.
    const node = new ApiClient(
      await findNode({ paths, env: { ...env, HEDDLE_HOST: '' }, host: undefined, keyFile: undefined }),
    )
    return await node.document<Status>('/api/v1/status', 'heddle.status/v1', { signal })
  } catch (error) {
    if (error instanceof HeddleError && error.code === 'daemon_down') return undefined
    throw error
  }
}

function report(context: Context, status: Status): void {
  if (context.json) {
    context.document(status)
    return
  }
  for (const line of statusLines(status, context)) context.terminal.line(line)
  if (status.models === 0)
    context.terminal.note(asTyped('\n  no model is ready yet; wait for one with:  heddle wait', context.env))
  else
    context.terminal.note(asTyped('\n  next:  heddle run <model> "hello"      stop it with:  heddle down', context.env))
}

async function tellOfOtherSettings(context: Context, flags: Partial<Record<SettingKey, string>>): Promise<void> {
  if (Object.keys(flags).length === 0) return
  const node = await context.node()
  const { entries } = await node.document<ConfigView>('/api/v1/config', 'heddle.config/v1', { signal: context.signal })
  const other = entries.filter(({ key, value }) => {
    const wanted = flags[key as SettingKey]
    return wanted !== undefined && wanted !== valueText(value)
  })
  if (other.length === 0) return
  const names = other.map(({ key }) => SETTINGS[key as SettingKey].flag).join(', ')
  context.terminal.note(
    asTyped(`\n  it was started without ${names}; to change that:  heddle down && heddle up …`, context.env),
  )
}

async function startDetached(
  context: Context,
  { paths }: Config,
  flags: Partial<Record<SettingKey, string>>,
): Promise<StartedChild> {
  await mkdir(dirname(paths.logFile), { recursive: true, mode: 0o700 })
  await using log = await open(paths.logFile, 'a', 0o600)
  const logStart = (await stat(paths.logFile)).size
  const program = process.argv[1] ?? ''
  const configFlag = context.options.config === undefined ? [] : ['--config', context.options.config]
  const args = [YOUNG_GENERATION, ...process.execArgv, program, 'serve', ...flagArguments(flags), ...configFlag]
  const process_ = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { ...context.env },
  })
  return { process: process_, logStart }
}

interface StartedChild {
  readonly process: ChildProcess
  /** Bytes of the log file before this node wrote to it. */
  readonly logStart: number
}

/** Whether a model is ready and the mesh, if there is to be one, is open: only then is it sure that the node stays. */
function isUp({ models, mesh }: Status): boolean {
  return models > 0 && (mesh.state !== 'off' || mesh.mode === 'standalone')
}

/** The status once the node is up, or whatever it is when the time is over. Throws what the node died of. */
async function firstStatus(
  context: Context,
  config: Config,
  { process: child, logStart }: StartedChild,
  waitMs: number,
): Promise<Status> {
  const giveUp = AbortSignal.timeout(waitMs)
  const failed = Promise.withResolvers<never>()
  child.once('error', (cause) => failed.reject(new HeddleError('internal', 'the node could not be started', { cause })))
  let status: Status | undefined
  while (!giveUp.aborted && (status === undefined || !isUp(status))) {
    if (child.exitCode !== null || child.signalCode !== null) throw await deathOf(config.paths.logFile, logStart)
    const file = await readNodeFile(config.paths.nodeFile)
    if (file?.pid === child.pid) status = await statusOf(context)
    await Promise.race([sleep(LOOK_EVERY_MS, undefined, { signal: context.signal }), failed.promise]).catch(
      (error: unknown) => {
        context.signal.throwIfAborted()
        throw error
      },
    )
  }
  child.unref()
  if (status !== undefined) return status
  throw new HeddleError(
    'timeout',
    `the node (pid ${child.pid}) is not there after ${durationText(waitMs)}; it goes on starting`,
    {
      fix: 'heddle status',
    },
  )
}

/** The error that a node printed before it ended. */
async function deathOf(logFile: string, from: number): Promise<HeddleError> {
  const text = (await readFile(logFile)).subarray(from).toString('utf8')
  const start = text.search(/^error: /m)
  const lines = start < 0 ? [] : text.slice(start).split('\n')
  const [, message, code] = /^error: (.*?) {2}\[([a-z_]+)\]$/.exec(lines[0] ?? '') ?? []
  if (message === undefined || code === undefined) {
    return new HeddleError('internal', `the node ended at once; its log is ${logFile}`)
  }
  const fix = lines.find((line) => line.startsWith('  try: '))?.slice('  try: '.length)
  return new HeddleError(parseErrorCode(code) ?? 'internal', message, { fix })
}
