/** Runtime specs as people write them, right and wrong. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { HeddleError } from '../../core/errors.ts'
import { parseRuntimeSpec, parseRuntimeSpecs } from './spec.ts'

describe('parseRuntimeSpecs', () => {
  it('reads a comma-separated list in order', () => {
    const specs = parseRuntimeSpecs('llama, ollama ,openai:http://gpu:8000/v1,script:demo?tokens=5&fail=cut&fail_at=2')
    assert.deepEqual(
      specs.map(({ id }) => id),
      ['llama', 'ollama:http://127.0.0.1:11434', 'openai:http://gpu:8000', 'script:demo?tokens=5&fail=cut&fail_at=2'],
    )
    const script = specs.at(-1)
    assert.ok(script?.kind === 'script')
    assert.deepEqual(script.options, {
      model: 'demo',
      tokens: 5,
      rate: 0,
      delayMs: 0,
      fail: 'cut',
      failAt: 2,
      failTimes: undefined,
      capacity: 4,
      tools: true,
      contextTokens: 8192,
    })
  })

  it('takes none for no runtimes, and only alone', () => {
    assert.deepEqual(parseRuntimeSpecs('none'), [])
    assert.throws(() => parseRuntimeSpecs('none,llama'), /stands alone/)
  })

  it('reads the addresses of Ollama as its own programs do', () => {
    const addresses = {
      ollama: 'http://127.0.0.1:11434',
      'ollama:': 'http://127.0.0.1:11434',
      'ollama:gpu': 'http://gpu:11434',
      'ollama::5000': 'http://127.0.0.1:5000',
      'ollama:gpu:5000': 'http://gpu:5000',
      'ollama:0.0.0.0': 'http://127.0.0.1:11434',
      'ollama:http://gpu': 'http://gpu',
      'ollama:https://ollama.example/': 'https://ollama.example',
      'ollama:[::1]': 'http://[::1]:11434',
      'ollama:[::]:7000': 'http://[::1]:7000',
      'ollama:http://127.0.0.1:11434/v1': 'http://127.0.0.1:11434',
    }
    for (const [spec, url] of Object.entries(addresses)) {
      const parsed = parseRuntimeSpec(spec)
      assert.equal(parsed.kind === 'ollama' ? parsed.url.text : '', url, spec)
    }
  })

  it('says what is wrong and how to write it', () => {
    const wrong: Record<string, RegExp> = {
      '': /is empty/,
      'llama,': /is empty/,
      olama: /'olama' is no runtime: write llama, ollama/,
      'vllm:http://x': /is no runtime/,
      'llama:/models': /takes no address/,
      openai: /needs an http:\/\/ or https:\/\/ URL/,
      'openai:localhost:8000': /needs an http:\/\/ or https:\/\/ URL/,
      'openai:http://me:secret@host': /must not carry credentials/,
      'script:': /names no model/,
      'script:../x y': /names no model/,
      'script:demo?speed=1': /no option 'speed'; it has tokens, rate/,
      'script:demo?fail=explode': /cannot fail by 'explode', only by cut, error/,
      'script:demo?tokens=0': /'tokens' must be a whole number from 1/,
      'script:demo?rate=1e3': /'rate' must be a whole number/,
      'ollama,ollama:127.0.0.1:11434': /named twice/,
    }
    for (const [spec, message] of Object.entries(wrong)) {
      assert.throws(
        () => parseRuntimeSpecs(spec),
        (error: HeddleError) => {
          assert.equal(error.code, 'config_invalid', spec)
          assert.match(error.message, message)
          assert.ok((error.details.fix ?? '') !== '', spec)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    }
  })
})
