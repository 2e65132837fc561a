/** Tests of config files: the lines of keys, and edits that leave the rest alone. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { editConfigText, parseConfigFile } from './config-file.ts'

const path = '/x/config.toml'
const edit = (text: string, key: string, value: string) => editConfigText(path, text, key, value)

describe('parseConfigFile', () => {
  it('finds the line of each key, over tables, dotted keys, lists of several lines and texts that look like keys', () => {
    const text = [
      '# head',
      'name = "a"',
      'tags = [',
      '  "b", # region = "no"',
      '  "c",',
      ']',
      'log.level = "warn"',
      '',
      '[http] # web',
      'hosts = ["x"]',
      '"listen" = "127.0.0.1:1"',
    ].join('\n')
    const { settings } = parseConfigFile(path, text)
    assert.deepEqual(
      [...settings].map(([key, { line }]) => [key, line]),
      [
        ['name', 2],
        ['tags', 3],
        ['log.level', 7],
        ['http.hosts', 10],
        ['http.listen', 11],
      ],
    )
  })

  it('reads an inline table without knowing its lines', () => {
    const { settings } = parseConfigFile(path, 'http = { listen = "127.0.0.1:1" }')
    assert.deepEqual(settings.get('http.listen'), { value: '127.0.0.1:1', line: undefined })
  })
})

describe('editConfigText', () => {
  it('replaces a value and keeps every comment', () => {
    const text = '# mine\n[http]\nlisten   = "127.0.0.1:1" # the "#1" port\nhosts = []\n'
    assert.equal(
      edit(text, 'http.listen', '"127.0.0.1:2"'),
      '# mine\n[http]\nlisten   = "127.0.0.1:2" # the "#1" port\nhosts = []\n',
    )
  })

  it('replaces a list of several lines', () => {
    assert.equal(edit('tags = [\n  "a",\n]\nname = "x"\n', 'tags', '["b"]'), 'tags = ["b"]\nname = "x"\n')
  })

  it('adds a key to its table, before the next one', () => {
    assert.equal(
      edit('[http]\nhosts = []\n\n[log]\nlevel = "info"\n', 'http.listen', '"h:1"'),
      '[http]\nhosts = []\nlisten = "h:1"\n\n[log]\nlevel = "info"\n',
    )
  })

  it('adds a table, and a key without one before the first table', () => {
    assert.equal(edit('', 'http.listen', '"h:1"'), '[http]\nlisten = "h:1"\n')
    assert.equal(edit('name = "x"\n', 'log.level', '"warn"'), 'name = "x"\n\n[log]\nlevel = "warn"\n')
    assert.equal(edit('[log]\nlevel = "warn"\n', 'name', '"x"'), 'name = "x"\n[log]\nlevel = "warn"\n')
  })

  it('refuses rather than rewrite what it cannot follow', () => {
    assert.throws(() => edit('http = { listen = "h:1" }\n', 'http.listen', '"h:2"'), { code: 'config_invalid' })
  })
})
