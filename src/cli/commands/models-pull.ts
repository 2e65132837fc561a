/** `heddle models pull`: fetches a GGUF file through the node and shows how far it is. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { HeddleError } from '../../core/errors.ts'
import type { PullProgress, PullRequest } from '../../core/wire/admin-models.ts'
import { wireError } from '../api-client.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { progressWriter } from '../progress.ts'

export async function modelsPull(
  context: Context,
  ref: string,
  options: { readonly name?: string; readonly sha256?: string },
): Promise<ExitCode> {
  const { terminal, signal } = context
  const request: PullRequest = { ref: placeOf(ref), ...options }
  const { name, sha256 } = request
  const body = {
    ref: request.ref,
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256 }),
  }
  const node = await context.node()
  let done: PullProgress | undefined
  {
    using writer = progressWriter(terminal.stderr, () => performance.now())
    for await (const progress of node.values<PullProgress>('POST', '/api/v1/models/pull', body, { signal })) {
      if (context.json) context.document({ schema: 'heddle.pull/v1', ...progress })
      if (progress.status === 'failed') throw wireError(progress.error ?? {})
      if (progress.status === 'done') done = progress
      else if (!context.json) writer.show(progress)
    }
  }
  if (done === undefined) {
    throw new HeddleError('upstream_interrupted', 'the node stopped before the model was there', {
      fix: `heddle models pull ${ref}\nit goes on where it stopped`,
    })
  }
  if (!context.json) terminal.note(asTyped(`done; ask it with:  heddle run ${done.model ?? '<model>'}`, context.env))
  return EXIT.ok
}

/** A file of this folder means nothing to the node, which runs in another. */
function placeOf(ref: string): string {
  return /^[a-z][a-z0-9+.-]*:/i.test(ref) && !existsSync(ref) ? ref : resolve(ref)
}
