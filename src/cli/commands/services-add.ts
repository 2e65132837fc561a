/** `heddle services add`: offers an HTTP service under a name, to this node's clients and to the network. */
import type { ServiceView } from '../../core/wire/admin-services.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { listOption, numberOption } from '../option-values.ts'
import { printable } from '../terminal.ts'

export interface ServicesAddOptions {
  readonly group?: readonly string[]
  readonly instance?: string
  readonly capacity?: string
  readonly paths?: string
  readonly health?: string
}

export async function servicesAdd(
  context: Context,
  name: string,
  url: string,
  { group, instance, capacity, paths, health }: ServicesAddOptions,
): Promise<ExitCode> {
  const body = {
    name,
    url,
    groups: group ?? [],
    ...(instance === undefined ? {} : { instance }),
    ...(capacity === undefined ? {} : { capacity: numberOption('--capacity', capacity, { least: 1, whole: true }) }),
    ...(paths === undefined ? {} : { paths: listOption(paths) }),
    ...(health === undefined ? {} : { healthPath: health }),
  }
  const node = await context.node()
  const service = await node.call<ServiceView>('POST', '/api/v1/services', body, { signal: context.signal })
  const { terminal, env } = context
  const id = service.name === service.instance ? service.name : `${service.name}/${service.instance}`
  if (context.json) context.document({ schema: 'heddle.service/v1', ...service })
  else if (service.state === 'ready') terminal.line(`added ${id}: ready`)
  else {
    terminal.line(`added ${id}: ${service.state}: ${printable(service.reason)}`)
    terminal.note(asTyped(`the node keeps trying; see:  heddle services test ${id}`, env))
  }
  return EXIT.ok
}
