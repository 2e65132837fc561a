/** `heddle services rm`: takes back a service that was added. */
import type { RemovedService } from '../../core/wire/admin-services.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { parseServiceId } from '../service-id.ts'

export async function servicesRemove(context: Context, id: string): Promise<ExitCode> {
  const { name, instance } = parseServiceId(id)
  const path = [name, ...(instance === undefined ? [] : [instance])].map(encodeURIComponent).join('/')
  const node = await context.node()
  const { signal } = context
  const removed = await node.call<RemovedService>('DELETE', `/api/v1/services/${path}`, undefined, { signal })
  if (context.json) context.document({ schema: 'heddle.removed/v1', removed: [`${removed.name}/${removed.instance}`] })
  else context.terminal.line(`removed ${removed.name}/${removed.instance}`)
  return EXIT.ok
}
