/** Services offered and taken back in OCF's words. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../core/errors.ts'
import type { RuntimeView } from '../core/wire/admin.ts'
import type { AddService, ServiceView } from '../core/wire/admin-services.ts'
import { OcfRegistration } from '../core/wire/ocf.ts'
import { type OcfNodeAdminDeps, OcfRegistrations } from './ocf-node-admin.ts'

const options = { signal: new AbortController().signal }

function world() {
  const calls: string[] = []
  const services: ServiceView[] = []
  const runtimes: Pick<RuntimeView, 'id'>[] = [{ id: 'openai:http://localhost:9000' }]
  const deps = {
    services: {
      list: () => ({ schema: 'heddle.services/v1' as const, services, others: [], omitted: 0 }),
      add: async ({ name, url, groups, instance = name, capacity, paths, healthPath }: AddService) => {
        calls.push(`add ${name} ${url} ${groups.join('+')} ${capacity}`)
        const view = {
          name,
          instance,
          url,
          groups,
          capacity,
          paths,
          healthPath: healthPath ?? null,
          state: 'ready' as const,
          reason: '',
          sinceMs: 0,
          inFlight: 0,
        }
        services.push(view)
        return view
      },
      remove: async (name: string) => {
        const at = services.findIndex((service) => service.name === name)
        if (at < 0) throw new HeddleError('not_found', 'gone')
        services.splice(at, 1)
        calls.push(`remove ${name}`)
        return { name, instance: name, removed: true as const }
      },
    },
    runtimes: {
      list: () => runtimes,
      add: async ({ spec }: { readonly spec: string }) => {
        calls.push(`add runtime ${spec}`)
        return { id: spec }
      },
      remove: async (id: string) => void calls.push(`remove runtime ${id}`),
    },
  } as unknown as OcfNodeAdminDeps
  return { admin: new OcfRegistrations(deps), calls, services }
}

const peer = (...service: object[]): OcfRegistration => OcfRegistration.parse({ id: 'Qm', connected: false, service })

describe('OcfRegistrations', () => {
  it('makes runtimes of llm and services of the rest, and takes them back', async () => {
    const { admin, calls } = world()
    await admin.register(
      peer(
        { name: 'llm', host: 'localhost', port: '8080', identity_group: ['model=x'] },
        { name: 'ocr', port: 8081, identity_group: ['lang=*'] },
        { name: 'files', host: 'fe80::1', port: '80', identity_group: null },
      ),
      options,
    )
    await admin.withdraw(options)
    await admin.withdraw(options)
    assert.deepEqual(calls, [
      'add runtime openai:http://localhost:8080',
      'add ocr http://localhost:8081 lang=* 64',
      'add files http://[fe80::1]:80  64',
      'remove runtime openai:http://localhost:8080',
      'remove ocr',
      'remove files',
    ])
  })

  it('replaces what is registered again instead of adding a second, and keeps what an operator set', async () => {
    const { admin, calls, services } = world()
    await admin.register(peer({ name: 'ocr', port: '1', identity_group: ['a=b'] }), options)
    await admin.register(peer({ name: 'ocr', port: '1', identity_group: ['a=c'] }), options)
    assert.deepEqual(
      services.map(({ groups }) => groups),
      [['a=c']],
    )
    services.splice(0, 1, { ...(services[0] as ServiceView), capacity: 3 })
    assert.deepEqual(calls.slice(1), ['remove ocr', 'add ocr http://localhost:1 a=c 64'])
    // As after a restart: the service is there still, and nobody remembers how it came.
    const later = world()
    later.services.push(...services)
    await later.admin.register(peer({ name: 'ocr', host: 'localhost', port: '1', identity_group: [] }), options)
    assert.deepEqual(later.calls, ['remove ocr', 'add ocr http://localhost:1  3'])
  })

  it('leaves runtimes alone that somebody else added, and services that are gone', async () => {
    const { admin, calls, services } = world()
    await admin.register(peer({ name: 'llm', port: '9000' }, { name: 'ocr', port: '1' }), options)
    services.length = 0
    await admin.withdraw(options)
    assert.deepEqual(calls, ['add ocr http://localhost:1  64'])
  })

  it('refuses what is no service', async () => {
    const { admin, calls } = world()
    for (const host of ['a/b', 'user@host', 'a b', 'host?x', '', '::1/x']) {
      const registration = { service: [{ name: 'x', host, port: '1', identity_group: [] }] }
      await assert.rejects(admin.register(registration, options), { code: 'invalid_request' }, host)
    }
    for (const port of ['0', '', 'x', '80/x', '123456', '-1']) assert.throws(() => peer({ name: 'x', port }), port)
    assert.throws(() => peer())
    assert.deepEqual(calls, [])
  })
})
