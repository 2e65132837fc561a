/** Tests of the checks against foreign pages: DNS rebinding, CSRF, CORS. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { recordOf } from './errors.ts'
import { createGuard, type GuardedRequest, type GuardPolicy, type GuardVerdict } from './guard.ts'

const POLICY: GuardPolicy = {
  listenHost: '127.0.0.1',
  nodeName: 'studio-pc',
  hosts: ['llm.example.org'],
  origins: ['http://localhost:*', 'app://*', 'https://*.chat.example', 'https://admin.example'],
}
const JSON_POST = { 'content-type': 'application/json' }

function ask(request: Partial<GuardedRequest>, policy: Partial<GuardPolicy> = {}): GuardVerdict {
  const { headers, ...rest } = request
  return createGuard({ ...POLICY, ...policy })({
    method: 'GET',
    url: '/api/v1/status',
    localAddress: '127.0.0.1',
    ...rest,
    headers: { host: '127.0.0.1:11440', ...headers },
  })
}

const outcome = (verdict: GuardVerdict): string => (verdict.kind === 'refused' ? verdict.error.code : verdict.kind)

describe('the Host check', () => {
  const loopback: readonly (readonly [string, string])[] = [
    ['localhost', 'pass'],
    ['LocalHost:11440', 'pass'],
    ['localhost.:11440', 'pass'],
    ['127.0.0.1:11440', 'pass'],
    ['[::1]:11440', 'pass'],
    ['studio-pc:11440', 'pass'],
    ['studio-pc.local', 'pass'],
    ['llm.example.org', 'pass'],
    ['attacker.test', 'misdirected_request'],
    ['attacker.test:11440', 'misdirected_request'],
    ['localhost.attacker.test', 'misdirected_request'],
    ['attacker.test.', 'misdirected_request'],
    ['127.0.0.1.attacker.test', 'misdirected_request'],
    ['localhost@attacker.test', 'misdirected_request'],
    ['localhost:80:80', 'misdirected_request'],
    ['localhost/attacker', 'misdirected_request'],
    ['', 'misdirected_request'],
    ['192.168.1.5', 'misdirected_request'],
    ['0.0.0.0:11440', 'misdirected_request'],
    ['[::]', 'misdirected_request'],
  ]
  for (const [host, expected] of loopback) {
    it(`on a loopback bind answers Host "${host}" with ${expected}`, () => {
      for (const url of ['/', '/v1/models', '/api/v1/status', '/livez'])
        assert.equal(outcome(ask({ url, headers: { host } })), expected)
    })
  }

  it('takes any address on a bind to every address, but still no foreign name', () => {
    for (const listenHost of ['0.0.0.0', '::']) {
      for (const host of ['192.168.1.5:11440', '[2001:db8::5]', '10.0.0.1']) {
        assert.equal(outcome(ask({ headers: { host } }, { listenHost })), 'pass')
      }
      assert.equal(outcome(ask({ headers: { host: 'attacker.test' } }, { listenHost })), 'misdirected_request')
    }
  })

  it('takes the address that the client reached, also as a dual-stack socket reports it', () => {
    const request = { localAddress: '::ffff:192.168.1.5', headers: { host: '192.168.1.5:11440' } }
    assert.equal(outcome(ask(request, { listenHost: '192.168.1.5' })), 'pass')
    assert.equal(outcome(ask(request, { listenHost: 'studio-pc.lan' })), 'pass')
    assert.equal(
      outcome(ask({ ...request, headers: { host: '192.168.1.6' } }, { listenHost: 'studio-pc.lan' })),
      'misdirected_request',
    )
  })

  it('judges an absolute form by the host in it', () => {
    assert.equal(
      outcome(ask({ url: 'http://attacker.test/v1/models', headers: { host: 'localhost' } })),
      'misdirected_request',
    )
    assert.equal(outcome(ask({ url: 'http://localhost/v1/models', headers: { host: 'attacker.test' } })), 'pass')
  })

  it('puts no text into its fix that a shell would read otherwise', () => {
    const evil = ask({ headers: { host: '$(reboot).test' } })
    assert.ok(evil.kind === 'refused' && evil.error.details.fix === undefined)
    const plain = ask({ headers: { host: 'nas.lan:8080' } })
    assert.ok(plain.kind === 'refused')
    assert.equal(plain.error.details.fix, 'heddle config set http.hosts nas.lan')
  })
})

describe('the Origin check', () => {
  it('lets a foreign page change nothing and administer nothing', () => {
    const origins = [
      'https://attacker.test',
      'null',
      'http://127.0.0.1:9999',
      'https://admin.example.attacker.test',
      'https://notadmin.example',
      'http://admin.example',
      'file://',
    ]
    for (const origin of origins) {
      const headers = { origin, ...JSON_POST }
      for (const [method, url] of [
        ['GET', '/api/v1/status'],
        ['GET', '//api//v1/keys'],
        ['GET', '/%61pi/v1/keys'],
        ['GET', '/metrics'],
        ['POST', '/api/v1/keys'],
        ['DELETE', '/api/v1/keys/key_x'],
        ['POST', '/v1/chat/completions'],
        ['POST', '/'],
      ] as const) {
        assert.equal(outcome(ask({ method, url, headers })), 'origin_not_allowed', `${origin} ${method} ${url}`)
      }
    }
  })

  it('lets our own pages do everything', () => {
    for (const [origin, host] of [
      ['http://127.0.0.1:11440', '127.0.0.1:11440'],
      ['https://llm.example.org', 'llm.example.org'],
      ['http://[::1]:11440', '[::1]:11440'],
    ] as const) {
      assert.equal(
        outcome(ask({ method: 'POST', url: '/api/v1/keys', headers: { host, origin, ...JSON_POST } })),
        'pass',
      )
    }
  })

  it('keeps administration to origins that are listed by name', () => {
    const post = (origin: string, url: string) =>
      outcome(ask({ method: 'POST', url, headers: { origin, ...JSON_POST } }))
    assert.equal(post('http://localhost:3000', '/v1/chat/completions'), 'pass')
    assert.equal(post('http://localhost:3000', '/api/v1/keys'), 'origin_not_allowed')
    assert.equal(post('https://admin.example', '/api/v1/keys'), 'pass')
  })

  it('refuses administration to what a foreign site embeds', () => {
    const headers = { 'sec-fetch-site': 'cross-site' }
    assert.equal(outcome(ask({ headers })), 'origin_not_allowed')
    assert.equal(outcome(ask({ url: '/docs/', headers })), 'pass')
  })
})

describe('the content type check', () => {
  it('takes JSON in UTF-8 only', () => {
    const types: readonly (readonly [string | undefined, boolean])[] = [
      ['application/json', true],
      ['application/json; charset=utf-8', true],
      ['Application/JSON;charset="UTF-8"', true],
      ['application/json; charset=latin1', false],
      ['text/plain', false],
      ['text/plain; x=application/json', false],
      ['application/x-www-form-urlencoded', false],
      ['multipart/form-data; boundary=x', false],
      ['application/jsonp', false],
      ['', false],
      [undefined, false],
    ]
    for (const [type, allowed] of types) {
      for (const [method, url] of [
        ['POST', '/api/v1/shutdown'],
        ['POST', '/v1/chat/completions'],
        ['PUT', '/x'],
        ['PATCH', '/x'],
      ] as const) {
        const verdict = ask({ method, url, headers: type === undefined ? {} : { 'content-type': type } })
        assert.equal(outcome(verdict), allowed ? 'pass' : 'unsupported_media_type', `${method} ${type}`)
      }
    }
    assert.equal(outcome(ask({ method: 'DELETE', url: '/api/v1/keys/x' })), 'pass')
  })
})

describe('CORS', () => {
  const listed = [
    'http://localhost',
    'http://localhost:3000',
    'app://obsidian.md',
    'https://a.chat.example',
    'https://admin.example',
  ]
  const foreign = [
    'https://chat.example',
    'https://a.chat.example.attacker.test',
    'http://localhost.attacker.test',
    'http://localhost:3000.attacker.test',
    'https://attacker.test',
  ]
  const preflight = {
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,content-type,x-stainless-os',
  }

  it('answers the preflight of a listed origin', () => {
    for (const origin of listed) {
      const verdict = ask({ method: 'OPTIONS', url: '/v1/chat/completions', headers: { origin, ...preflight } })
      assert.equal(verdict.kind, 'preflight')
      const headers = recordOf(verdict.headers)
      assert.equal(headers['access-control-allow-origin'], origin)
      assert.match(headers['access-control-allow-methods'] ?? '', /POST/)
      assert.match(headers['access-control-allow-headers'] ?? '', /x-stainless-os/)
      assert.equal(headers['vary'], 'origin')
      assert.equal(headers['access-control-allow-credentials'], undefined)
    }
  })

  it('refuses the preflight of any other', () => {
    for (const origin of foreign) {
      assert.equal(
        outcome(ask({ method: 'OPTIONS', url: '/v1/chat/completions', headers: { origin, ...preflight } })),
        'origin_not_allowed',
        origin,
      )
    }
    const local = { origin: 'http://localhost:3000', ...preflight }
    assert.equal(outcome(ask({ method: 'OPTIONS', url: '/api/v1/keys', headers: local })), 'origin_not_allowed')
  })

  it('shows answers, and the headers of them that matter, to listed origins only', () => {
    const shown = recordOf(ask({ url: '/v1/models', headers: { origin: 'http://localhost:3000' } }).headers)
    assert.equal(shown['access-control-allow-origin'], 'http://localhost:3000')
    for (const name of [
      'x-request-id',
      'x-heddle-node',
      'x-heddle-overhead-ms',
      'x-ratelimit-remaining-tokens',
      'retry-after',
    ]) {
      assert.ok(shown['access-control-expose-headers']?.split(', ').includes(name), name)
    }
    const hidden = ask({ url: '/v1/models', headers: { origin: 'https://attacker.test' } })
    assert.deepEqual(hidden, { kind: 'pass', headers: ['vary', 'origin'] })
  })

  it('tells a listed page why its request was refused', () => {
    const verdict = ask({
      method: 'POST',
      url: '/v1/chat/completions',
      headers: { origin: 'http://localhost:3000', 'content-type': 'text/plain' },
    })
    assert.equal(outcome(verdict), 'unsupported_media_type')
    assert.equal(recordOf(verdict.headers)['access-control-allow-origin'], 'http://localhost:3000')
  })

  it('names the origin even where every origin is allowed, and never allows credentials', () => {
    const verdict = ask({ url: '/v1/models', headers: { origin: 'https://anyone.test' } }, { origins: ['*'] })
    const headers = recordOf(verdict.headers)
    assert.equal(headers['access-control-allow-origin'], 'https://anyone.test')
    assert.equal(headers['access-control-allow-credentials'], undefined)
    assert.deepEqual(ask({ url: '/v1/models', headers: { origin: 'null' } }, { origins: ['*'] }).headers, [
      'vary',
      'origin',
    ])
    const admin = ask(
      { method: 'POST', url: '/api/v1/keys', headers: { origin: 'https://anyone.test', ...JSON_POST } },
      { origins: ['*'] },
    )
    assert.equal(outcome(admin), 'origin_not_allowed')
  })
})

describe('requests that are forwarded to services', () => {
  const SERVICE = '/v1/service/shop/x'
  const LOCAL = '/v1/_service/shop/x'

  it('may have a body of any type', () => {
    for (const url of [SERVICE, LOCAL, '/v1/p2p/x/v1/_service/shop/x', '/v1/p2p-service/x/shop/x']) {
      for (const headers of [
        {},
        { 'content-type': 'video/mp4' },
        { 'content-type': 'application/x-www-form-urlencoded' },
      ])
        assert.equal(outcome(ask({ method: 'POST', url, headers })), 'pass', url)
    }
    assert.equal(outcome(ask({ method: 'POST', url: '/v1/dnt/_node', headers: {} })), 'unsupported_media_type')
  })

  it('come from no foreign page, not even as a form, a link or an image', () => {
    for (const url of [SERVICE, LOCAL]) {
      for (const method of ['GET', 'POST', 'PUT', 'DELETE']) {
        assert.equal(outcome(ask({ method, url, headers: { origin: 'https://evil.example' } })), 'origin_not_allowed')
        assert.equal(outcome(ask({ method, url, headers: { 'sec-fetch-site': 'cross-site' } })), 'origin_not_allowed')
      }
    }
  })

  it('come from listed pages, and to this node alone only from pages listed by name', () => {
    const page = { origin: 'http://localhost:3000' }
    const named = { origin: 'https://admin.example' }
    assert.equal(outcome(ask({ method: 'PUT', url: SERVICE, headers: page })), 'pass')
    assert.equal(outcome(ask({ method: 'PUT', url: LOCAL, headers: page })), 'origin_not_allowed')
    assert.equal(outcome(ask({ method: 'PUT', url: LOCAL, headers: named })), 'pass')
    assert.equal(
      outcome(ask({ method: 'POST', url: '/v1/dnt/_node', headers: { ...page, ...JSON_POST } })),
      'origin_not_allowed',
    )
    const preflight = ask({
      method: 'OPTIONS',
      url: SERVICE,
      headers: { ...page, 'access-control-request-method': 'PUT' },
    })
    assert.equal(recordOf(preflight.headers)['access-control-allow-methods'], 'GET, POST, PUT, PATCH, DELETE, OPTIONS')
  })
})
