/** `heddle runtimes test`: tries a runtime now, step by step; exit 1 when a step fails. */
import { resolve } from 'node:path'
import type { RuntimeList, RuntimeTest } from '../../core/wire/admin-models.ts'
import { durationText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../terminal.ts'

export async function runtimesTest(
  context: Context,
  id: string,
  { keyFile }: { readonly keyFile?: string },
): Promise<ExitCode> {
  const { signal, terminal } = context
  const node = await context.node()
  const { runtimes } = await node.document<RuntimeList>('/api/v1/runtimes', 'heddle.runtimes/v1', { signal })
  const isSpec = /^(https?:|openai:|ollama:|script:)/.test(id) && !runtimes.some((runtime) => runtime.id === id)
  const body = isSpec ? { spec: id, ...(keyFile === undefined ? {} : { keyFile: resolve(keyFile) }) } : { id }
  const test = await node.call<RuntimeTest>('POST', '/api/v1/runtimes/test', body, { signal })
  if (context.json) context.document({ schema: 'heddle.runtime-test/v1', ...test })
  else {
    for (const { name, ok, detail, durationMs } of test.steps) {
      const mark = ok ? terminal.paint('green', '✓') : terminal.paint('red', '✗')
      terminal.line(
        `  ${mark} ${name.padEnd(16)} ${printable(detail)}  ${terminal.paint('dim', durationText(durationMs))}`,
      )
    }
    if (test.models.length > 0) terminal.line(`  models: ${printable(test.models.join(', '))}`)
  }
  return test.ok ? EXIT.ok : EXIT.failed
}
