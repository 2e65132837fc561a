/** `heddle identity devices ls`: the machines of the account. */
import { listLocalDevices } from '../../compose/offline-identity.ts'
import type { DeviceList } from '../../core/wire/admin-identity.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { DEVICE_COLUMNS } from '../identity-text.ts'
import { tableLines } from '../table.ts'
import { localConfig, nodeIfAny } from '../this-machine.ts'

export async function devicesLs(context: Context): Promise<ExitCode> {
  const { signal, terminal } = context
  const node = await nodeIfAny(context)
  const list =
    node === undefined
      ? await listLocalDevices(localConfig(context))
      : await node.document<DeviceList>('/api/v1/identity/devices', 'heddle.devices/v1', { signal })
  if (context.json) {
    context.document(list)
    return EXIT.ok
  }
  for (const line of tableLines(DEVICE_COLUMNS, list.devices, terminal.width)) terminal.line(line)
  if (node === undefined) terminal.note('the node does not run: the account’s other devices are not known')
  return EXIT.ok
}
