/** Tests of the command line as a whole: help of every command, wrong usage, flags of settings. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Command } from 'commander'
import { SETTING_KEYS, SETTINGS } from '../compose/settings.ts'
import type { World } from './context.ts'
import { programOf } from './program.ts'
import { runCli } from './run-cli.ts'
import { addSettingFlags, flagArguments, flagsOf } from './setting-flags.ts'

const home = mkdtempSync(join(tmpdir(), 'heddle-cli-'))
after(() => rmSync(home, { recursive: true, force: true }))

interface Recorded extends World {
  readonly out: string[]
  readonly err: string[]
}

function recordedWorld(env: Readonly<Record<string, string>> = {}): Recorded {
  const out: string[] = []
  const err: string[] = []
  return {
    out,
    err,
    env: { HEDDLE_HOME: home, ...env },
    stdin: process.stdin,
    stdout: { write: (text) => out.push(text) },
    stderr: { write: (text) => err.push(text) },
    signal: new AbortController().signal,
  }
}

async function call(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const world = recordedWorld()
  const code = await runCli(args, world)
  return { code, out: world.out.join(''), err: world.err.join('') }
}

/** Every command that is shown, as typed. */
function allCommands(command: Command, path: readonly string[] = []): readonly (readonly string[])[] {
  const children = command.createHelp().visibleCommands(command)
  return children.flatMap((child) => [[...path, child.name()], ...allCommands(child, [...path, child.name()])])
}

const program = programOf({ world: recordedWorld(), done: () => {} })

describe('the command line', () => {
  it('has the commands that the documentation promises', () => {
    const names = allCommands(program).map((path) => path.join(' '))
    const promised = [
      'serve',
      'up',
      'down',
      'status',
      'run',
      'ps',
      'env',
      'logs',
      'trace',
      'doctor',
      'wait',
      'version',
      'completion',
      'ping',
      'netcheck',
      'explain',
      ...['ls', 'show'].map((verb) => `nodes ${verb}`),
      ...['ls', 'connect'].map((verb) => `peers ${verb}`),
      ...['ls', 'show', 'pull', 'rm'].map((verb) => `models ${verb}`),
      ...['ls', 'add', 'test', 'remove'].map((verb) => `runtimes ${verb}`),
      ...['create', 'ls', 'revoke'].map((verb) => `keys ${verb}`),
      ...['list', 'get', 'set', 'path'].map((verb) => `config ${verb}`),
    ]
    for (const name of promised) assert.ok(names.includes(name), name)
  })

  it('prints help for every command, within the width it is given', async () => {
    for (const path of allCommands(program)) {
      for (const width of [60, 80, 120]) {
        const world = recordedWorld()
        const narrow = programOf({ world, done: () => {}, helpWidth: width })
        await assert.rejects(narrow.parseAsync([...path, '--help'], { from: 'user' }), { exitCode: 0 })
        const text = world.out.join('')
        assert.match(text, new RegExp(`^Usage: heddle ${path.join('[|a-z]* ')}`))
        assert.ok(!/undefined|\[object/.test(text), text)
        for (const line of text.split('\n'))
          assert.ok(line.length <= width || line.startsWith('Usage:'), `${width}: ${line}`)
      }
    }
  })

  it('exits 0 after help, also without a command', async () => {
    for (const args of [[], ['--help'], ['status', '--help'], ['models', '--help']]) {
      const { code, out, err } = await call(...args)
      assert.equal(code, 0)
      assert.match(out, /^Usage: heddle/)
      assert.equal(err, '')
    }
  })

  it('exits 2 on wrong usage, names the near word, and writes nothing to stdout', async () => {
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['statu'], /^error: unknown command 'statu'; did you mean status\? {2}\[usage\]\n {2}try: heddle --help\n$/],
      [['nodes', 'show'], /try: heddle nodes show --help\n$/],
      [['status', '--jsn'], /^error: unknown option '--jsn'; did you mean --json\? {2}\[usage\]/],
      [['trace'], /^error: missing required argument 'id' {2}\[usage\]/],
      [['logs', '--tail', 'many'], /^error: --tail takes a whole number from 0 to 2000; got "many" {2}\[usage\]/],
      [['logs', '--level', 'loud'], /^error: --level takes debug, info, warn, error; got "loud" {2}\[usage\]/],
      [['run', 'm', 'hi', '--temperature', 'hot'], /^error: --temperature takes a number from 0 to 2; got "hot"/],
      [
        ['run', 'm', 'hi', '--format', '/nonexistent.json'],
        /^error: --format takes text, json or a file with a JSON schema/,
      ],
      [
        ['keys', 'create', 'x', '--scopes', 'root'],
        /^error: --scopes takes a list of inference, read, admin; got "root"/,
      ],
      [['wait', '--for', 'godot'], /^error: --for takes "ready", "model=<id>" or "nodes=<number>"; got "godot"/],
      [['wait', '--timeout', '5'], /^error: --timeout takes a time such as 30s, 10m or 7d; got "5"/],
      [['config', 'get', 'http.listn'], /^error: there is no setting "http\.listn"; did you mean http\.listen\?/],
      [['ping', 'x', '--layer', 'ip'], /^error: --layer takes path, http, inference; got "ip"/],
      [['ping', 'x', '--count', '0'], /^error: --count takes a whole number from 1 to 1000; got "0"/],
      [['explain'], /^error: required option '--model <id>' not specified/],
      [
        ['explain', '--model', 'm', '--prompt-trust', 'all'],
        /^error: --prompt-trust takes self, network, any; got "all"/,
      ],
      [['env', '--shell', 'csh'], /^error: --shell takes sh, fish, powershell; got "csh"/],
      [['completion', 'csh'], /^error: completion takes bash, zsh, fish, powershell; got "csh"/],
      [['status', '--host', 'http://a:b@c'], /^error: --host takes a URL such as/],
    ]
    for (const [args, message] of cases) {
      const { code, out, err } = await call(...args)
      assert.match(err, message)
      assert.equal(code, 2, args.join(' '))
      assert.equal(out, '')
    }
  })

  it('exits 3 where no node runs, whatever the command', async () => {
    for (const args of [
      ['status'],
      ['ps'],
      ['models'],
      ['runtimes'],
      ['keys'],
      ['nodes'],
      ['nodes', 'show', 'x'],
      ['peers'],
      ['peers', 'connect', '/ip4/127.0.0.1/tcp/1'],
      ['ping', 'x'],
      ['netcheck'],
      ['explain', '--model', 'm'],
      ['env'],
      ['trace', 'last'],
      ['logs'],
      ['keys', 'create', 'x'],
    ]) {
      const { code } = await call(...args)
      assert.equal(code, 3, args.join(' '))
    }
    const { code, out } = await call('status', '--json')
    assert.equal(code, 3)
    const document = JSON.parse(out) as Record<string, unknown>
    assert.equal(document['state'], 'stopped')
    for (const field of ['health', 'node', 'http', 'mesh', 'network', 'nodes']) assert.ok(field in document, field)
  })

  it('writes errors as one document with --json', async () => {
    const { err } = await call('ps', '--json')
    assert.deepEqual(JSON.parse(err), {
      schema: 'heddle.error/v1',
      error: { code: 'daemon_down', message: 'the node is not running', param: null, fix: 'heddle up' },
    })
  })

  it('exits 12 when it has waited long enough', async () => {
    const { code, err } = await call('wait', '--timeout', '10ms')
    assert.equal(code, 12)
    assert.match(err, /^error: not ready after 10 ms: the node is not running/)
  })

  it('exits 10 on a wrong configuration', async () => {
    const world = recordedWorld({ HEDDLE_LOG_LEVEL: 'loud' })
    assert.equal(await runCli(['config', 'list'], world), 10)
  })
})

describe('config set', () => {
  it('writes, keeps, reads back, and refuses what no node would start with', async () => {
    assert.equal((await call('config', 'set', 'http.listen', '127.0.0.1:7777')).code, 0)
    assert.equal((await call('config', 'set', 'tags', 'gpu,attic')).code, 0)
    assert.equal((await call('config', 'get', 'tags')).out, 'gpu,attic\n')
    const wrong = await call('config', 'set', 'models.parallel', 'zero')
    assert.equal(wrong.code, 10)
    assert.match(wrong.err, /^error: models\.parallel: expected a whole number from 1 to 256; got "zero"/)
    const early = await call('config', 'set', 'workers', '3')
    assert.match(early.err, /not supported yet/)
    const { out } = await call('config', 'list', '--show-origin')
    assert.match(out, new RegExp(`http\\.listen +127\\.0\\.0\\.1:7777 +file ${join(home, 'config.toml')}:\\d`))
    assert.match(out, /models\.parallel +4 +default/)
  })

  it('never shows a secret', async () => {
    const world = recordedWorld()
    await runCli(['config', 'list', '--json'], world)
    for (const { key, value } of (JSON.parse(world.out.join('')) as { entries: { key: string; value: unknown }[] })
      .entries) {
      if (key === 'database.url' || key === 'redis.url') assert.equal(value, '')
    }
  })
})

describe('the flags of settings', () => {
  it('give each setting by its key, and the same settings to another process', () => {
    const command = addSettingFlags(new Command('serve').exitOverride())
    command.action(() => {})
    const values = Object.fromEntries(SETTING_KEYS.map((key) => [key, `${key}-value`]))
    command.parse(
      SETTING_KEYS.flatMap((key) => [SETTINGS[key].flag, `${key}-value`]),
      { from: 'user' },
    )
    assert.deepEqual(flagsOf(command.opts()), values)
    const again = addSettingFlags(new Command('serve').exitOverride()).action(() => {})
    again.parse([...flagArguments(values)], { from: 'user' })
    assert.deepEqual(flagsOf(again.opts()), values)
  })

  it('take a yes-or-no flag alone for yes', () => {
    const command = addSettingFlags(new Command('serve').exitOverride()).action(() => {})
    command.parse(['--log-content'], { from: 'user' })
    assert.deepEqual(flagsOf(command.opts()), { 'log.content': 'true' })
  })
})
