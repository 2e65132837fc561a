/** The HTTP surface in memory, and what every error answer of it must be. */
import assert from 'node:assert/strict'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import { ErrorBody } from '../../src/core/wire/error-body.ts'
import { buildApp } from '../../src/http/app.ts'
import { type FakeNode, fakeNode } from './fake-app-deps.ts'

export const READ = { authorization: 'Bearer read' }
export const ADMIN = { authorization: 'Bearer admin' }
export const INFERENCE = { authorization: 'Bearer inference' }

export async function openApp(node: FakeNode = fakeNode()): Promise<FakeNode & { app: FastifyInstance }> {
  const app = buildApp(node.deps)
  await app.ready()
  return Object.assign(node, { app })
}

/** Every answer outside 2xx has OpenAI's body and the headers that SDKs read. */
export function assertError(answer: LightMyRequestResponse, status: number, code: string): ErrorBody['error'] {
  assert.equal(answer.statusCode, status, answer.payload)
  assert.match(String(answer.headers['content-type']), /^application\/json/)
  const { error } = ErrorBody.parse(answer.json())
  assert.equal(error.code, code)
  assert.match(String(answer.headers['x-request-id']), /^req_/)
  assert.match(String(answer.headers['x-should-retry']), /^(true|false)$/)
  return error
}
