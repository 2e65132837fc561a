/** Tests of the configuration: precedence, origins, refusals and the folders. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../core/errors.ts'
import type { ConfigOptions } from './config.ts'
import { loadConfig, originText } from './config.ts'
import { parseConfigFile } from './config-file.ts'
import { parseDuration, parseListen, parseSize } from './config-values.ts'
import { pathsOf } from './paths.ts'
import { SETTING_KEYS, SETTINGS } from './settings.ts'
import { SETTINGS_SCHEMA } from './settings-schema.ts'

const file = (text: string, path = '/etc/heddle/config.toml') => parseConfigFile(path, text)
const load = (options: Partial<ConfigOptions> = {}) =>
  loadConfig({ env: {}, files: [], platform: 'linux', homeDir: '/home/ada', ...options })

function refusal(options: Partial<ConfigOptions>): HeddleError {
  try {
    load(options)
  } catch (error) {
    assert.ok(error instanceof HeddleError)
    assert.equal(error.code, 'config_invalid')
    return error
  }
  assert.fail('the configuration was accepted')
}

describe('loadConfig', () => {
  it('takes a flag over a variable over the stronger file over the weaker file over the default', () => {
    const strong = file('[http]\nlisten = "127.0.0.1:3"', '/strong.toml')
    const weak = file('[http]\nlisten = "127.0.0.1:4"', '/weak.toml')
    const env = { HEDDLE_HTTP_LISTEN: '127.0.0.1:2' }
    const cases: [Partial<ConfigOptions>, number, string][] = [
      [{ flags: { 'http.listen': '127.0.0.1:1' }, env, files: [strong, weak] }, 1, 'flag --listen'],
      [{ env, files: [strong, weak] }, 2, 'env HEDDLE_HTTP_LISTEN'],
      [{ files: [strong, weak] }, 3, 'file /strong.toml:2'],
      [{ files: [weak] }, 4, 'file /weak.toml:2'],
      [{}, 11_440, 'default'],
    ]
    for (const [options, port, origin] of cases) {
      const config = load(options)
      assert.equal(config.http.listen.port, port)
      const setting = config.settings.find(({ key }) => key === 'http.listen')
      assert.ok(setting)
      assert.equal(originText(setting.origin), origin)
    }
  })

  it('treats an empty variable as not set', () => {
    assert.equal(load({ env: { HEDDLE_HTTP_LISTEN: '' } }).http.listen.port, 11_440)
  })

  it('accepts every default of the table', () => {
    for (const key of SETTING_KEYS) assert.ok(SETTINGS_SCHEMA.shape[key].safeParse(SETTINGS[key].initial).success, key)
  })

  it('gives every setting its own variable and flag', () => {
    const variables = SETTING_KEYS.map((key) => SETTINGS[key].env)
    const flags = SETTING_KEYS.map((key) => SETTINGS[key].flag)
    assert.equal(new Set(variables).size, variables.length)
    assert.equal(new Set(flags).size, flags.length)
  })

  it('names file, line and near key where a key is unknown', () => {
    const error = refusal({ files: [file('# mine\n[http]\nlisten = "127.0.0.1:1"\nlistn = "x"\n')] })
    assert.equal(
      error.message,
      'file /etc/heddle/config.toml:4: there is no setting "http.listn"; did you mean http.listen?',
    )
    assert.equal(error.details.param, 'http.listn')
    assert.match(refusal({ files: [file('listen = "127.0.0.1:1"')] }).message, /did you mean http\.listen\?/)
    assert.doesNotMatch(refusal({ files: [file('zzzzzzzzzz = 1')] }).message, /did you mean/)
  })

  it('names the place, the expected and the given of a bad value', () => {
    const cases: [Partial<ConfigOptions>, string][] = [
      [
        { files: [file('[http]\nlisten = 11440')] },
        'file /etc/heddle/config.toml:2: http.listen: expected host:port such as 127.0.0.1:11440; got 11440',
      ],
      [
        { env: { HEDDLE_HTTP_LISTEN: '127.0.0.1:99999' } },
        'env HEDDLE_HTTP_LISTEN: http.listen: expected host:port such as 127.0.0.1:11440; got "127.0.0.1:99999"',
      ],
      [
        { flags: { 'log.level': 'loud' } },
        'flag --log-level: log.level: expected one of debug, info, warn, error; got "loud"',
      ],
      [
        { env: { HEDDLE_DRAIN_TIMEOUT: '30' } },
        'env HEDDLE_DRAIN_TIMEOUT: drain_timeout: expected a duration such as 30s, 10m or 7d; got "30"',
      ],
      [
        { env: { HEDDLE_MODELS_PARALLEL: '0' } },
        'env HEDDLE_MODELS_PARALLEL: models.parallel: expected a whole number from 1 to 256; got 0',
      ],
      [
        { env: { HEDDLE_MODELS_PARALLEL: 'two' } },
        'env HEDDLE_MODELS_PARALLEL: models.parallel: expected a whole number from 1 to 256; got "two"',
      ],
      [
        { env: { HEDDLE_LOG_CONTENT: 'perhaps' } },
        'env HEDDLE_LOG_CONTENT: log.content: expected true or false; got "perhaps"',
      ],
      [
        { files: [file('[auth]\nrequired = "true"')] },
        'file /etc/heddle/config.toml:2: auth.required: expected true or false; got "true"',
      ],
    ]
    for (const [options, message] of cases) assert.equal(refusal(options).message, message)
    assert.match(refusal({ env: { HEDDLE_RUNTIMES: 'olama' } }).message, /runtimes: expected auto, none, llama, ollama/)
    assert.match(refusal({ env: { HEDDLE_RUNTIMES: 'auto,llama' } }).message, /auto and none stand alone/)
  })

  it('names the line of a file that is not TOML', () => {
    assert.throws(
      () => file('[http]\nlisten = \n'),
      (error) => {
        assert.ok(error instanceof HeddleError)
        assert.match(error.message, /^\/etc\/heddle\/config\.toml:2: not valid TOML: /)
        return true
      },
    )
  })

  it('refuses what it cannot do yet instead of ignoring it, and never shows a secret', () => {
    const url = 'postgres://ada:hunter2@db/heddle'
    const cases: [Record<string, string>, RegExp][] = [
      [{ HEDDLE_DATABASE_URL: url }, /database\.url needs PostgreSQL, which is not supported yet/],
      [{ HEDDLE_REDIS_URL: 'redis://:hunter2@r' }, /redis\.url needs Redis/],
      [{ HEDDLE_WORKERS: '4' }, /workers needs more than one worker process/],
    ]
    for (const [env, message] of cases) {
      const error = refusal({ env })
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /hunter2/)
    }
    assert.equal(load({ env: { HEDDLE_WORKERS: '1' } }).mode, 'local')
  })

  it('lets the mode decide where the mesh listens and whom it asks first, unless that is said', () => {
    const local = load({ env: {} }).mesh
    assert.deepEqual(local.listen, { host: '127.0.0.1', port: 11_441 })
    assert.deepEqual(local.bootstrap, ['/ip4/127.0.0.1/tcp/11441'])
    assert.ok(!local.lan && local.mayMove && !local.relay)
    const node = load({ env: { HEDDLE_MODE: 'node', HEDDLE_MESH_PUBLIC_ADDR: '/ip4/192.0.2.7/tcp/11441' } }).mesh
    assert.deepEqual(node.listen, { host: '0.0.0.0', port: 11_441 })
    assert.deepEqual(node.bootstrap, [])
    assert.ok(node.lan && node.relay)
    const told = load({
      env: { HEDDLE_MESH_LISTEN: '[::1]:7', HEDDLE_BOOTSTRAP: 'https://gw.example/v1/dnt/bootstraps' },
    })
    assert.deepEqual(told.mesh.listen, { host: '::1', port: 7 })
    assert.equal(told.mesh.mayMove, false)
    assert.deepEqual(told.mesh.bootstrap, ['https://gw.example/v1/dnt/bootstraps'])
    assert.match(refusal({ env: { HEDDLE_BOOTSTRAP: '192.0.2.7:11441' } }).message, /bootstrap: expected a multiaddr/)
    assert.match(refusal({ env: { HEDDLE_MESH_LISTEN: 'x' } }).message, /mesh\.listen: expected host:port/)
  })

  it('reads lists, sizes and durations from text', () => {
    const config = load({
      env: {
        HEDDLE_RUNTIMES: 'openai:http://127.0.0.1:8000, script:echo',
        HEDDLE_TAGS: 'gpu,room=attic',
        HEDDLE_RETENTION_REQUESTS_AGE: '1d12h',
        HEDDLE_MODELS_DISK_RESERVE: '20MiB',
        HEDDLE_AUTH_REQUIRED: 'no',
      },
    })
    assert.deepEqual(config.runtimes, ['openai:http://127.0.0.1:8000', 'script:echo'])
    assert.deepEqual(config.tags, ['gpu', 'room=attic'])
    assert.equal(config.retention.requestsAgeMs, 36 * 3_600_000)
    assert.equal(config.models.diskReserveBytes, 20 * 1024 * 1024)
    assert.equal(config.authRequired, false)
    assert.deepEqual(load({ env: { HEDDLE_RUNTIMES: 'none' } }).runtimes, [])
    assert.equal(load().runtimes, 'auto')
  })

  it('warns of what opens the node and of variables it does not know', () => {
    assert.deepEqual(load().warnings, [])
    const { warnings } = load({
      env: {
        HEDDLE_HTTP_LISTEN: '0.0.0.0:11440',
        HEDDLE_AUTH_REQUIRED: 'false',
        HEDDLE_LOG_CONTENT: '1',
        HEDDLE_HTTP_LISTN: 'x',
        HEDDLE_HOME: '/x',
      },
    })
    assert.equal(warnings.length, 4)
    assert.match(
      warnings.join('\n'),
      /HEDDLE_HTTP_LISTN means nothing to this version; did you mean HEDDLE_HTTP_LISTEN\?/,
    )
  })

  it('refuses a named file that does not exist', () => {
    const options = { env: {}, platform: 'linux', homeDir: '/nowhere' } as const
    assert.throws(() => loadConfig({ ...options, configFile: '/nowhere/x.toml' }), {
      code: 'config_invalid',
      message: 'there is no config file /nowhere/x.toml',
    })
    assert.throws(() => loadConfig({ ...options, env: { HEDDLE_CONFIG: '/nowhere/y.toml' } }), {
      code: 'config_invalid',
    })
  })

  it('does not let a default origin list answer files and sandboxed frames', () => {
    assert.equal(
      load().corsOrigins.some((origin) => origin === 'null' || origin === '*' || origin.startsWith('file:')),
      false,
    )
  })
})

describe('pathsOf', () => {
  it('puts everything under HEDDLE_HOME', () => {
    const paths = pathsOf({
      env: { HEDDLE_HOME: '/srv/h', XDG_DATA_HOME: '/other' },
      platform: 'linux',
      homeDir: '/home/ada',
    })
    assert.equal(paths.config, '/srv/h/config.toml')
    for (const path of Object.values(paths)) assert.ok(path.startsWith('/srv/h/'), path)
    assert.equal(paths.nodeFile, '/srv/h/state/node.json')
    assert.equal(paths.defaultKeyFile, '/srv/h/data/keys/default.key')
  })

  it('follows the XDG folders and ignores relative ones', () => {
    const paths = pathsOf({
      env: { XDG_DATA_HOME: '/data', XDG_STATE_HOME: 'relative' },
      platform: 'linux',
      homeDir: '/home/ada',
    })
    assert.equal(paths.data, '/data/heddle')
    assert.equal(paths.state, '/home/ada/.local/state/heddle')
    assert.equal(paths.config, '/home/ada/.config/heddle/config.toml')
  })
})

describe('the values of settings', () => {
  it('are durations', () => {
    assert.deepEqual(['30s', '500ms', '1h30m', '0s', '1.5s', '', '30', 's', '-1s', '1 s'].map(parseDuration), [
      30_000,
      500,
      5_400_000,
      0,
      1_500,
      undefined,
      undefined,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('are sizes', () => {
    assert.deepEqual(['20MiB', '10GB', '512B', '1.5KiB', '10', 'MiB', '1mib'].map(parseSize), [
      20_971_520,
      1e10,
      512,
      1_536,
      undefined,
      undefined,
      undefined,
    ])
  })

  it('are addresses', () => {
    assert.deepEqual(parseListen('[::1]:80'), { host: '::1', port: 80 })
    assert.deepEqual(parseListen('localhost:0'), { host: 'localhost', port: 0 })
    for (const text of ['11440', ':80', '::1:80', 'a:b', 'http://x:1', '1.2.3.4:65536'])
      assert.equal(parseListen(text), undefined, text)
  })
})
