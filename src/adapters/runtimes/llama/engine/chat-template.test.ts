/** Tests of chat templates, honest ones and traps. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../../../core/errors.ts'
import { limit } from '../../../../core/limits.ts'
import { ChatTemplate } from './chat-template.ts'

const TOKENS = { bos: '<s>', eos: '</s>' }
const MESSAGES = [{ role: 'user', content: 'Hi' }]

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof HeddleError && error.code === code
}

describe('ChatTemplate', () => {
  it('gives a template what templates ask for', () => {
    const source =
      "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m['content'] | trim }}{{ eos_token }}{% endfor %}" +
      '{% if tools is not none %}TOOLS{% endif %}{% if add_generation_prompt %}[assistant]{% endif %}'
    assert.equal(new ChatTemplate(source, TOKENS).render(MESSAGES), '<s>[user]Hi</s>[assistant]')
  })

  it('stops one that would run for hours, soon', () => {
    const nine = '{% for i in range(1000000000) %}'
    const traps = [
      `${nine}{% for j in range(1000000000) %}x{% endfor %}{% endfor %}`,
      `${'{% for i in range(1000) %}'.repeat(3)}{% set x = 1 %}${'{% endfor %}'.repeat(3)}`,
      '{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}',
    ]
    for (const trap of traps) {
      const template = new ChatTemplate(trap, TOKENS)
      const startMs = performance.now()
      assert.throws(() => template.render(MESSAGES), HeddleError)
      assert.ok(performance.now() - startMs < 10_000, `it ran ${performance.now() - startMs} ms`)
    }
  })

  it('gives up on a template that overstays each time', () => {
    const template = new ChatTemplate(
      '{% for i in range(1000) %}'.repeat(3) + '{% set x = 1 %}' + '{% endfor %}'.repeat(3),
      TOKENS,
    )
    for (let run = 0; run < limit('templateTimeouts'); run += 1)
      assert.throws(() => template.render(MESSAGES), hasCode('internal'))
    const startMs = performance.now()
    for (let run = 0; run < 100; run += 1) assert.throws(() => template.render(MESSAGES), hasCode('internal'))
    assert.ok(performance.now() - startMs < 500)
  })

  it('refuses one that swells', () => {
    const trap = `{% set ns = namespace(s='xxxxxxxxxxxxxxxx') %}{% for i in range(24) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}`
    assert.throws(() => new ChatTemplate(trap, TOKENS).render(MESSAGES), hasCode('internal'))
  })

  it('says that a template refused the messages, without its words', () => {
    const template = new ChatTemplate("{{ raise_exception('secret ' ~ messages[0].content) }}", TOKENS)
    assert.throws(
      () => template.render(MESSAGES),
      (error) => hasCode('invalid_request')(error) && !(error as Error).message.includes('Hi'),
    )
  })

  it('refuses one that cannot be read', () => {
    assert.throws(() => new ChatTemplate('{% for %}', TOKENS), HeddleError)
    assert.throws(() => new ChatTemplate('{{ x }}'.repeat(200_000), TOKENS), HeddleError)
  })
})
