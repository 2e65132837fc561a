/** Tests of grammars from JSON schemas; the runtime's own tests let the engine write with them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { HeddleError } from '../../../../core/errors.ts'
import { jsonSchemaGrammar } from './json-grammar.ts'

/** The rules that the schema made, without those that every grammar has. */
function rulesOf(schema: unknown): string[] {
  const text = jsonSchemaGrammar(schema)
  return text.slice(0, text.indexOf('\nspace ::=')).trim().split('\n')
}

describe('jsonSchemaGrammar', () => {
  it('writes literals so that the engine reads them back', () => {
    assert.deepEqual(rulesOf({ enum: ['a"b', 'c\\d', 1, null, true] }), [
      'root ::= s1',
      String.raw`s1 ::= ("\"a\\\"b\"" | "\"c\\\\d\"" | "1" | "null" | "true")`,
    ])
  })

  it('lets optional properties be left out, in every combination', () => {
    const rules = rulesOf({ type: 'object', properties: { a: { type: 'null' }, b: { type: 'null' } }, required: ['b'] })
    assert.ok(rules.includes('s1 ::= "{" space s6 "}"'), rules.join('\n'))
    const first = rules.find((rule) => rule.startsWith('s6 ::='))
    assert.match(first ?? '', /"\\"a\\"" space ":" space s5 space s4 \| s3$/)
  })

  it('follows a reference to the schema itself', () => {
    const rules = rulesOf({
      type: 'object',
      properties: { next: { anyOf: [{ $ref: '#' }, { type: 'null' }] } },
      required: ['next'],
    })
    assert.ok(rules.length < 16, rules.join('\n'))
  })

  it('ignores notes and refuses everything that it would not keep', () => {
    assert.deepEqual(rulesOf({ type: 'boolean', title: 'x', description: 'y', default: true })[1], 's1 ::= boolean')
    const wrong: readonly unknown[] = [
      false,
      null,
      { type: 'string', pattern: 'x' },
      { type: 'string', format: 'email' },
      { type: 'array', uniqueItems: true },
      { type: 'number', multipleOf: 2 },
      { type: 'number', maximum: 3 },
      { type: 'string', minLength: 3, maxLength: 2 },
      { type: 'array', maxItems: 100_000 },
      { not: {} },
      { anyOf: [] },
      { allOf: [{}, {}] },
      { $ref: 'other.json' },
      { anyOf: [{ type: 'null' }], properties: {} },
    ]
    for (const schema of wrong) {
      assert.throws(
        () => jsonSchemaGrammar(schema),
        (error) =>
          error instanceof HeddleError && error.code === 'invalid_request' && error.details.param === 'response_format',
        JSON.stringify(schema),
      )
    }
  })

  it('refuses a schema that makes too many rules', () => {
    const properties = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`p${index}`, { type: 'null' }]))
    assert.throws(() => jsonSchemaGrammar({ type: 'object', properties }), HeddleError)
  })
})
