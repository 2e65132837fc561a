/** `heddle services test`: tries a service now, or a URL before adding it; exit 1 where it does not answer. */
import type { ServiceTest } from '../../core/wire/admin-services.ts'
import { durationText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { parseServiceId } from '../service-id.ts'
import { printable } from '../terminal.ts'

export async function servicesTest(
  context: Context,
  id: string,
  { health }: { readonly health?: string },
): Promise<ExitCode> {
  const { signal, terminal } = context
  const { name, instance } = parseServiceId(id)
  const body = /^https?:\/\//.test(id)
    ? { url: id, ...(health === undefined ? {} : { healthPath: health }) }
    : { name, ...(instance === undefined ? {} : { instance }) }
  const node = await context.node()
  const test = await node.call<ServiceTest>('POST', '/api/v1/services/test', body, { signal })
  if (context.json) context.document({ schema: 'heddle.service-test/v1', ...test })
  else {
    const mark = test.ok ? terminal.paint('green', '✓') : terminal.paint('red', '✗')
    terminal.line(`  ${mark} ${printable(test.detail)}  ${terminal.paint('dim', durationText(test.durationMs))}`)
  }
  return test.ok ? EXIT.ok : EXIT.failed
}
