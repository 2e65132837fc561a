/** Tests of the fields at the top of a JSON body, read from all of it or from its beginning. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fieldsOfJson, fieldsOfJsonPrefix } from './json-fields.ts'

const decode = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
const prefix = (text: string, ...wanted: string[]) => fieldsOfJsonPrefix(Buffer.from(text), new Set(wanted), decode)

describe('fieldsOfJson', () => {
  it('has the wanted fields of an object, and none of anything else', () => {
    assert.deepEqual(
      [...fieldsOfJson('{"model":"a","n":1,"x":2}', new Set(['model', 'n', 'y']))],
      [
        ['model', 'a'],
        ['n', 1],
      ],
    )
    for (const text of ['', '[]', '"model"', 'null', '{"model":', '{"toString":1}'])
      assert.equal(fieldsOfJson(text, new Set(['model', 'hasOwnProperty'])).size, 0)
  })
})

describe('fieldsOfJsonPrefix', () => {
  it('is settled as soon as the wanted fields have been seen', () => {
    assert.deepEqual(prefix('{"model":"a","audio":"UklGR', 'model'), new Map([['model', 'a']]))
    assert.equal(prefix('{"model":"a', 'model'), undefined)
    assert.equal(prefix('{"audio":"UklGR', 'model'), undefined)
    assert.deepEqual(
      prefix('{"deep":{"model":"no","s":"}\\"]"},"model" : "y\\u00e9s"', 'model'),
      new Map([['model', 'yés']]),
    )
    assert.deepEqual(prefix('{"n":12,"model"', 'n'), new Map([['n', null]]))
    assert.equal(prefix('{"n":12', 'n'), undefined)
    assert.deepEqual(prefix('{"a":1} trailing', 'model'), new Map())
    assert.deepEqual(prefix('{}', 'model'), new Map())
    for (const text of ['', ' ', '{', '{"a', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":{"b":"}'])
      assert.equal(prefix(text, 'model'), undefined, text)
  })

  it('knows at the first byte that a body is no object, so that it need not be read', () => {
    for (const text of ['RIFF', '[1,2', '"model"', '\0', '{x', '{"a"}', '{"a":1,}', '{"a":1 "b"'])
      assert.deepEqual(prefix(text, 'model'), new Map(), text)
  })

  it('says the same as the whole body wherever that is cut', () => {
    const name = fc.constantFrom('model', 'lang', 'a"b', 'é', 'other')
    const value = fc.oneof(fc.string(), fc.jsonValue())
    fc.assert(
      fc.property(
        fc.dictionary(name, value),
        fc.subarray(['model', 'lang', 'é']),
        fc.nat(),
        fc.boolean(),
        (object, keys, at, pretty) => {
          const text = JSON.stringify(object, null, pretty ? 2 : undefined)
          const bytes = Buffer.from(text)
          const wanted = new Set(keys)
          const whole = new Map(
            [...fieldsOfJson(text, wanted)].map(([key, each]) => [key, typeof each === 'string' ? each : null]),
          )
          const cut = fieldsOfJsonPrefix(bytes.subarray(0, at % (bytes.length + 1)), wanted, decode)
          if (cut !== undefined && wanted.size > 0) assert.deepEqual(new Map(cut), whole)
          if (wanted.size > 0) assert.deepEqual(new Map(fieldsOfJsonPrefix(bytes, wanted, decode)), whole)
        },
      ),
      { numRuns: 1_000 },
    )
  })

  it('has an answer to any bytes', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => void fieldsOfJsonPrefix(bytes, new Set(['a']), decode)))
  })
})
