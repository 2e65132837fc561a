/** `heddle runtimes add`: registers an inference server; the node brings it up by itself. */
import { resolve } from 'node:path'
import type { RuntimeView } from '../../core/wire/admin.ts'
import { counted } from '../amounts.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'

export async function runtimesAdd(
  context: Context,
  spec: string,
  { keyFile, id }: { readonly keyFile?: string; readonly id?: string },
): Promise<ExitCode> {
  const node = await context.node()
  // The node reads the file, from another folder than this one.
  const body = {
    spec,
    ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }),
    ...(id === undefined ? {} : { id }),
  }
  const runtime = await node.call<RuntimeView>('POST', '/api/v1/runtimes', body, { signal: context.signal })
  if (context.json) context.document({ schema: 'heddle.runtime/v1', ...runtime })
  else if (runtime.state === 'ready')
    context.terminal.line(`added ${runtime.id}: ready, ${counted(runtime.models.length, 'model')}`)
  else {
    context.terminal.line(`added ${runtime.id}: ${runtime.state}`)
    context.terminal.note(asTyped(`the node keeps trying; see:  heddle runtimes test ${runtime.id}`, context.env))
  }
  return EXIT.ok
}
