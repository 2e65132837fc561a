/** `heddle network show`: one network, or the text with which another machine joins it. */
import { localJoinFile, showLocalNetwork } from '../../compose/offline-networks.ts'
import { HeddleError } from '../../core/errors.ts'
import type { Status } from '../../core/wire/admin.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'
import { memberText } from '../network-text.ts'
import { listOption } from '../option-values.ts'
import { assertThisMachine, localConfig, nodeIfAny } from '../this-machine.ts'

export interface NetworkShowOptions {
  readonly joinFile?: boolean
  readonly for?: string
  readonly addresses?: string
}

export async function networkShow(
  context: Context,
  name: string | undefined,
  options: NetworkShowOptions,
): Promise<ExitCode> {
  assertThisMachine(context)
  if (options.joinFile === true) return await showJoinFile(context, name, options)
  for (const [flag, value] of [
    ['--for', options.for],
    ['--addresses', options.addresses],
  ] as const) {
    if (value !== undefined) throw new HeddleError('usage', `${flag} goes with --join-file`, { param: flag })
  }
  const network = await showLocalNetwork(localConfig(context), name)
  if (context.json) {
    context.document(network)
    return EXIT.ok
  }
  const facts = [
    ['name', network.name],
    ['id', network.id],
    ['in use', network.isActive ? 'yes' : 'no'],
    ['members', network.isPrivate ? 'those with a membership' : 'everybody'],
    ['this machine', memberText(network)],
    ['network key', network.isPrivate ? (network.hasKey ? 'on this machine' : 'not on this machine') : null],
    ['pre-shared key', network.isPrivate ? (network.hasPresharedKey ? 'yes' : 'no') : null],
    ['addresses', network.addresses.join(', ') || null],
  ] as const
  for (const line of factLines(facts)) context.terminal.line(line)
  return EXIT.ok
}

async function showJoinFile(
  context: Context,
  name: string | undefined,
  options: NetworkShowOptions,
): Promise<ExitCode> {
  const addresses = options.addresses === undefined ? await ownAddresses(context) : listOption(options.addresses)
  const text = await localJoinFile(localConfig(context), name, { addresses, forDevice: options.for })
  if (context.json) context.document({ schema: 'heddle.join/v1', file: text, addresses })
  else context.terminal.line(text)
  const meaning =
    options.for === undefined
      ? 'whoever has this file may join and admit others: hand it over like a password'
      : `it admits ${options.for} and nobody else`
  context.terminal.note(meaning)
  if (addresses.length === 0) {
    context.terminal.note('it names no address: start the node first, or give some with --addresses')
  }
  return EXIT.ok
}

/** Where the running node is reached; those of this machine alone are of use only to nodes on it. */
async function ownAddresses(context: Context): Promise<readonly string[]> {
  const node = await nodeIfAny(context)
  if (node === undefined) return localConfig(context).mesh.publicAddresses
  const { mesh } = await node.document<Status>('/api/v1/status', 'heddle.status/v1', { signal: context.signal })
  const reachable = mesh.addresses.filter((address) => !/^\/ip4\/127\.|^\/ip6\/::1\//.test(address))
  return reachable.length > 0 ? reachable : mesh.addresses
}
