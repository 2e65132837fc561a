/** Files that would harm a careless node: model files made by an attacker, and a disk without space. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { Status } from '../../src/core/wire/admin.ts'
import { buildGguf, uint32, uint64, withEntry, withTensor } from '../support/gguf-builder.ts'
import { startNodeProcess } from '../support/node-process.ts'
import { errorIn } from '../support/raw-socket.ts'
import { root } from '../support/running-checkout.ts'
import { chat, startTestNode, type TestNode } from '../support/test-node.ts'
import { waitUntil } from '../support/wait-until.ts'

const TINY = 'tinychat-1.2m-q8_0'
const CHAT = '/v1/chat/completions'
const DISK_BYTES = 2 * 1024 * 1024
const HUGE = 2n ** 63n
/** Where the counts of tensors and of entries stand in a GGUF file. */
const TENSORS_AT = 8
const ENTRIES_AT = 16

const patched = (at: number, bytes: Buffer): Buffer => {
  const file = buildGguf()
  bytes.copy(file, at)
  return file
}

/** Each by the name of its file. */
const BAD_FILES: Readonly<Record<string, Buffer>> = {
  'offset-past-the-end': buildGguf(withTensor({ offset: 1n << 40n })),
  'offset-that-wraps': buildGguf(withTensor({ offset: 2n ** 64n - 32n })),
  'tensor-larger-than-the-file': buildGguf(withTensor({ dimensions: [1n << 40n] })),
  'dimensions-that-wrap': buildGguf(withTensor({ dimensions: [1n << 33n, 1n << 33n] })),
  'overlapping-tensors': buildGguf(withTensor({ offset: 32n })),
  'data-cut-off': buildGguf({ dataBytes: 100 }),
  '2-63-tensors': patched(TENSORS_AT, uint64(HUGE)),
  '2-63-entries': patched(ENTRIES_AT, uint64(HUGE)),
  '2-64-minus-1-tensors': patched(TENSORS_AT, uint64(2n ** 64n - 1n)),
  'a-string-of-2-63-bytes': patched(24, uint64(HUGE)),
  'an-array-of-2-63-items': buildGguf(withEntry('x', { type: 'array', of: 'uint8', count: HUGE, values: [] })),
  'a-million-megabytes-of-tokens': buildGguf(
    withEntry('tokenizer.ggml.tokens', { type: 'array', of: 'string', count: 1n << 40n, values: [] }),
  ),
  'version-9': buildGguf({ version: 9 }),
  'only-a-magic': Buffer.from('GGUF'),
  'half-a-header': buildGguf().subarray(0, 60),
  'no-gguf': Buffer.concat([Buffer.from('PK\u0003\u0004'), Buffer.alloc(5_000, 'z')]),
  'big-endian': Buffer.concat([Buffer.from('GGUF'), uint32(0x03000000), Buffer.alloc(200)]),
  empty: Buffer.alloc(0),
}

async function homeOf(t: TestContext): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'heddle-files-'))
  t.after(async () => {
    // Fails, and means nothing, where the test mounted no disk there.
    spawnSync('umount', ['-l', join(home, 'data')])
    await rm(home, { recursive: true, force: true })
  })
  return home
}

const refusedOf = async (node: Pick<TestNode, 'get'>): Promise<string[]> => {
  const status = (await (await node.get('/api/v1/status')).json()) as Status
  return status.health.filter(({ code }) => code === 'model_refused').map(({ message }) => message)
}
const offeredBy = async (node: Pick<TestNode, 'get'>): Promise<string[]> => {
  const { data } = (await (await node.get('/v1/models')).json()) as { data: { id: string }[] }
  return data.map(({ id }) => id)
}

describe('model files and disks', { concurrency: 2 }, () => {
  it('that are broken or hostile are refused, said so, and never offered', async (t) => {
    const home = await homeOf(t)
    const models = join(home, 'data/models')
    await mkdir(join(models, 'a folder.gguf'), { recursive: true })
    for (const [name, bytes] of Object.entries(BAD_FILES)) await writeFile(join(models, `${name}.gguf`), bytes)
    await symlink('/etc/passwd', join(models, 'linked.gguf'))
    await symlink('/dev/zero', join(models, 'endless.gguf'))
    assert.equal(spawnSync('mkfifo', [join(models, 'pipe.gguf')]).status, 0)
    const node = await startTestNode({ HEDDLE_HOME: home, HEDDLE_RUNTIMES: 'llama,script:x' })
    t.after(() => node[Symbol.asyncDispose]())
    await waitUntil(async () => (await offeredBy(node)).includes(TINY), 'the engine', 20_000)

    const refused = await refusedOf(node)
    for (const name of Object.keys(BAD_FILES)) {
      const said = refused.find((message) => message.startsWith(`${name}.gguf is not offered: `))
      assert.ok(said, `nothing is said of ${name}`)
      assert.ok(said.length > `${name}.gguf is not offered: `.length + 5)
    }
    assert.deepEqual((await offeredBy(node)).sort(), [TINY, 'x'])
    for (const name of [...Object.keys(BAD_FILES), 'linked', 'endless', 'pipe', 'a folder']) {
      const response = await node.post(CHAT, chat(name))
      assert.equal(response.status, 404, name)
      assert.equal(errorIn(await response.text()).code, 'model_not_found')
    }
    const answer = await node.post(CHAT, chat(TINY, 'What is the capital of France?', { temperature: 0 }))
    assert.match(await answer.text(), /Paris/)

    // One that comes while the node runs, and one that takes the place of a good one.
    await copyFile(join(root, 'models', `${TINY}.gguf`), join(models, 'good.gguf'))
    await writeFile(join(models, 'late.gguf'), BAD_FILES['offset-past-the-end'] ?? '')
    await waitUntil(async () => (await offeredBy(node)).includes('good'), 'the new file', 15_000)
    assert.equal((await offeredBy(node)).includes('late'), false)
    assert.ok((await refusedOf(node)).some((message) => message.startsWith('late.gguf')))
    await writeFile(join(models, 'good.gguf'), BAD_FILES['2-63-tensors'] ?? '')
    await waitUntil(async () => !(await offeredBy(node)).includes('good'), 'the file to be withdrawn', 15_000)
    assert.ok((await refusedOf(node)).some((message) => message.startsWith('good.gguf')))
  })

  it('without space stop no request: history has a counted gap, and a new key is refused with 507', async (t) => {
    const home = await homeOf(t)
    // The store alone is tested on a bounded database everywhere; a whole node needs a real disk.
    if (!mountSmallDisk(join(home, 'data'))) return t.diagnostic('no right to mount a small disk here')
    const ballast = join(home, 'data/ballast')
    await using node = await startNodeProcess(home, { HEDDLE_RUNTIMES: 'script:demo?tokens=4' })
    const ask = async (): Promise<void> => {
      const response = await node.post(CHAT, chat('demo'))
      assert.equal(response.status, 200, await response.text())
    }
    await ask()
    await writeFile(ballast, Buffer.alloc(2 * DISK_BYTES)).catch((error: NodeJS.ErrnoException) => {
      assert.equal(error.code, 'ENOSPC')
    })
    const dropped = async (): Promise<number> => {
      const metrics = await (await node.get('/metrics', node.adminKey)).text()
      return Number(/^heddle_request_log_dropped_total(?:\{[^}]*\})? (\d+)/m.exec(metrics)?.[1] ?? Number.NaN)
    }
    assert.equal(await dropped(), 0)
    const admin = { authorization: `Bearer ${node.adminKey}` }
    const makeKey = (name: string): Promise<Response> => node.post('/api/v1/keys', { name }, { headers: admin })
    let made = 0
    // What is left of the space goes first: into rows and keys.
    await waitUntil(
      async () => {
        await Promise.all(Array.from({ length: 40 }, ask))
        const response = await makeKey(`key ${made}`)
        const text = await response.text()
        if (response.status === 201) made += 1
        else {
          assert.equal(response.status, 507, text)
          assert.equal(errorIn(text).code, 'storage_full')
          assert.doesNotMatch(text, /sk-heddle-[\w-]{8}/)
        }
        return response.status === 507 && (await dropped()) > 0
      },
      'the disk to be full',
      30_000,
    )
    await ask()
    assert.equal((await node.get('/api/v1/status')).status, 200)
    assert.equal((await node.get('/api/v1/requests?limit=5')).status, 200)
    assert.match(node.output(), /request log rows dropped/)

    await rm(ballast)
    const response = await makeKey('after')
    assert.equal(response.status, 201, await response.clone().text())
    const { secret } = (await response.json()) as { secret: string }
    const headers = { authorization: `Bearer ${secret}` }
    assert.equal((await node.post(CHAT, chat('demo'), { headers })).status, 200)
    const before = await dropped()
    await ask()
    const last = (await (await node.get('/api/v1/requests/last')).json()) as { outcome: string }
    assert.equal(last.outcome, 'ok')
    assert.equal(await dropped(), before)
    assert.equal(await node.stop(), 0)

    await using again = await startNodeProcess(home, { HEDDLE_RUNTIMES: 'script:demo?tokens=4' })
    const { keys } = (await (await again.get('/api/v1/keys', again.adminKey)).json()) as { keys: { name: string }[] }
    const names = keys.map(({ name }) => name)
    assert.ok(names.includes('after'))
    assert.equal(names.filter((name) => name.startsWith('key ')).length, made)
  })
})

/** Mounts a disk of its own at `folder`; false where this process may not. */
function mountSmallDisk(folder: string): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const options = `size=${DISK_BYTES},mode=700`
  return spawnSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder]).status === 0
}
