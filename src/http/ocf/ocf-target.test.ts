/** What raw request targets mean to OCF's routes. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { parseServicePath } from '../../core/routing/service-path.ts'
import { isForwarding, parseOcfTarget } from './ocf-target.ts'

const PEER = '12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf'
/** The form of OCF's own ids: SHA-256 of an RSA key. */
const OLD_PEER = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'

describe('parseOcfTarget', () => {
  it('reads the four routes', () => {
    const path = '/a/b?c=d'
    const cases: Readonly<Record<string, unknown>> = {
      [`/v1/service/shop${path}`]: { kind: 'service', service: 'shop', path },
      [`/v1/_service/shop${path}`]: { kind: 'local', service: 'shop', path },
      [`/v1/p2p-service/${PEER}/shop${path}`]: {
        kind: 'peer-service',
        route: 'p2p-service',
        peer: PEER,
        service: 'shop',
        path,
      },
      [`/v1/p2p/${PEER}/v1/_service/shop${path}`]: {
        kind: 'peer-service',
        route: 'p2p',
        peer: PEER,
        service: 'shop',
        path,
      },
      [`/v1/p2p/${OLD_PEER}/v1/dnt/table?x`]: { kind: 'peer-read', peer: OLD_PEER, path: '/v1/dnt/table' },
      '/v1/service/llm/v1/models': { kind: 'models', path: '/v1/models' },
      '/v1/service/llm/v1/models/org%2Fname': { kind: 'models', path: '/v1/models/org%2Fname' },
      '/v1/service/llm/v1/modelsx': { kind: 'service', service: 'llm', path: '/v1/modelsx' },
      '/v1/service/shop/v1/models': { kind: 'service', service: 'shop', path: '/v1/models' },
      '/v1/service/shop': { kind: 'service', service: 'shop', path: '/' },
      '/v1/service/shop?x=1': { kind: 'service', service: 'shop', path: '/?x=1' },
      '/v1/service/shop/': { kind: 'service', service: 'shop', path: '/' },
      '/v1/service/shop/dir/': { kind: 'service', service: 'shop', path: '/dir/' },
      [`http://127.0.0.1:11440/v1/service/shop${path}`]: { kind: 'service', service: 'shop', path },
    }
    for (const [target, expected] of Object.entries(cases)) assert.deepEqual(parseOcfTarget(target), expected, target)
  })

  it('refuses what is under the routes and names no service, or would go on to a third node', () => {
    const targets = [
      '/v1/service',
      '/v1/service/',
      '/v1/service//x',
      '/v1/service/..%2f/x',
      '/v1/service/a%20b/x',
      `/v1/service/${'x'.repeat(81)}/x`,
      '/v1/_service/-x/',
      '/v1/p2p',
      '/v1/p2p/',
      `/v1/p2p/${PEER}`,
      `/v1/p2p/${PEER}/`,
      `/v1/p2p/${PEER}/v1/service/shop/`,
      `/v1/p2p/${PEER}/v1/p2p/${PEER}/v1/health`,
      `/v1/p2p/${PEER}/v1/p2p-service/${PEER}/shop/`,
      `/v1/p2p/${PEER}/v1/dnt/_node`,
      `/v1/p2p/${PEER}/v1/dnt/table/`,
      `/v1/p2p/${PEER}/v1/models`,
      `/v1/p2p/${PEER}/api/v1/status`,
      '/v1/p2p/localhost/v1/health',
      '/v1/p2p/127.0.0.1/v1/health',
      '/v1/p2p-service/localhost/shop/',
      `/v1/p2p-service/${PEER}`,
      `/v1/p2p-service/${PEER}/`,
    ]
    for (const target of targets) assert.equal(parseOcfTarget(target)?.kind, 'refused', target)
  })

  it('leaves everything else alone', () => {
    for (const target of [
      '/',
      '/v1/models',
      '/v1/services',
      '/v1/p2pool',
      '/v1/%73ervice/x',
      '/V1/service/x',
      '/v1//service/x',
      '*',
      '',
      'service',
    ])
      assert.equal(parseOcfTarget(target), undefined, target)
  })

  it('never gives a path that could be read as another service’s, whatever comes', () => {
    const piece = fc.constantFrom(
      '..',
      '.',
      '',
      '%2e%2e',
      '%2f',
      ';',
      '\\',
      'x',
      'v1',
      '_service',
      'service',
      'p2p',
      PEER,
      '?',
      '#',
      '@',
      ':80',
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.constantFrom('service', '_service', 'p2p', 'p2p-service'),
        (pieces, route) => {
          const target = parseOcfTarget(`/v1/${route}/${pieces.join('/')}`)
          if (target === undefined || !('service' in target)) return
          assert.match(target.service, /^[A-Za-z0-9][A-Za-z0-9._-]*$/)
          assert.match(target.path, /^\//)
          const parsed = parseServicePath(target.path)
          if (parsed.kind === 'ok')
            assert.doesNotMatch(decodeURIComponent(parsed.path.split('?', 1)[0] ?? ''), /(^|\/)\.\.(\/|$)/)
        },
      ),
    )
  })
})

describe('isForwarding', () => {
  it('knows the routes and nothing else', () => {
    for (const path of ['/v1/service', '/v1/service/x', '/v1/_service/x', '/v1/p2p/x', '/v1/p2p-service/x'])
      assert.equal(isForwarding(path), true, path)
    for (const path of ['/v1/services', '/v1/dnt/table', '/v1/chat/completions', '/v1'])
      assert.equal(isForwarding(path), false, path)
  })
})
