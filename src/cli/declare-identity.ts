/** Commands about who this machine is, and which network it takes part in. */
import type { Command } from 'commander'
import type { Act } from './act.ts'
import type { DevicesRevokeOptions } from './commands/devices-revoke.ts'
import type { IdentityExportOptions } from './commands/identity-export.ts'
import type { IdentityImportOptions } from './commands/identity-import.ts'
import type { NetworkShowOptions } from './commands/network-show.ts'

export function declareIdentity(program: Command, act: Act): void {
  const identity = program
    .command('identity')
    .helpCommand(false)
    .description('account and keys of this machine: show, export, import, rotate, seal, devices')
  identity
    .command('show', { isDefault: true })
    .description('tell the account, the device and its certificate')
    .action(act(async (context) => (await import('./commands/identity-show.ts')).identityShow(context)))
  identity
    .command('export')
    .description('write the account into a file, under a passphrase, for another machine of yours')
    .argument('<file>', 'a new file, or - for standard output')
    .option('--passphrase-file <file>', 'file with the passphrase for the export, or - for standard input')
    .action(
      act(async (context, file: string, options: IdentityExportOptions) =>
        (await import('./commands/identity-export.ts')).identityExport(context, file, options),
      ),
    )
  identity
    .command('import')
    .description('make this machine a device of the account in a file; the node must be stopped')
    .argument('<file>', 'what `heddle identity export` wrote')
    .option('--passphrase-file <file>', 'file with the passphrase of the export, or - for standard input')
    .option('--replace', 'in the place of the account that this machine has; its key is put aside')
    .action(
      act(async (context, file: string, options: IdentityImportOptions) =>
        (await import('./commands/identity-import.ts')).identityImport(context, file, options),
      ),
    )
  declareRotations(identity, act)
  declareDevices(identity, act)
}

function declareRotations(identity: Command, act: Act): void {
  identity
    .command('rotate')
    .description('give the account a new key; it keeps its id; the node must be stopped')
    .action(act(async (context) => (await import('./commands/identity-rotate.ts')).identityRotate(context)))
  identity
    .command('rotate-device')
    .description('give this machine a new device key and so a new id; the node must be stopped')
    .action(act(async (context) => (await import('./commands/identity-rotate.ts')).identityRotateDevice(context)))
  identity
    .command('seal')
    .description('put the keys under the configured passphrase; the node must be stopped')
    .action(act(async (context) => (await import('./commands/identity-seal.ts')).identitySeal(context, true)))
  identity
    .command('unseal')
    .description('take the passphrase off the keys; the node must be stopped')
    .action(act(async (context) => (await import('./commands/identity-seal.ts')).identitySeal(context, false)))
}

function declareDevices(identity: Command, act: Act): void {
  const devices = identity
    .command('devices')
    .helpCommand(false)
    .alias('device')
    .description('machines of the account: list, revoke')
  devices
    .command('ls', { isDefault: true })
    .description('list the machines of the account')
    .action(act(async (context) => (await import('./commands/devices-ls.ts')).devicesLs(context)))
  devices
    .command('revoke')
    .description('make every node refuse a machine, at once and for good')
    .argument('<device>', 'as in `heddle identity devices ls`')
    .option('--reason <reason>', 'unspecified, lost, stolen or retired', 'unspecified')
    .action(
      act(async (context, device: string, options: DevicesRevokeOptions) =>
        (await import('./commands/devices-revoke.ts')).devicesRevoke(context, device, options),
      ),
    )
}

export function declareNetworks(program: Command, act: Act): void {
  const network = program
    .command('network')
    .helpCommand(false)
    .alias('networks')
    .description('private networks: create, join, list, show, use, leave')
  network
    .command('create')
    .description('make a private network and use it')
    .argument('<name>')
    .option('--psk', 'with a pre-shared key: others cannot even connect; no QUIC then')
    .action(
      act(async (context, name: string, options: { psk?: boolean }) =>
        (await import('./commands/network-create.ts')).networkCreate(context, name, options),
      ),
    )
  network
    .command('join')
    .description('join a private network and use it')
    .argument('<file>', 'join file of a member, or - for standard input')
    .action(
      act(async (context, file: string) => (await import('./commands/network-join.ts')).networkJoin(context, file)),
    )
  network
    .command('ls', { isDefault: true })
    .description('list the networks of this machine')
    .action(act(async (context) => (await import('./commands/network-ls.ts')).networkLs(context)))
  network
    .command('show')
    .description('tell about a network, or print the file with which others join it')
    .argument('[name]', 'name or id; by default the network in use')
    .option('--join-file', 'print the join file: a secret, for members')
    .option('--for <device>', 'a join file that admits this device and nobody else')
    .option('--addresses <list>', 'multiaddrs for the join file; by default those of the running node')
    .action(
      act(async (context, name: string | undefined, options: NetworkShowOptions) =>
        (await import('./commands/network-show.ts')).networkShow(context, name, options),
      ),
    )
  network
    .command('use')
    .description('let the node take part in this network from its next start on')
    .argument('<name>', 'name or id, or `open` for the network of everybody')
    .action(act(async (context, name: string) => (await import('./commands/network-use.ts')).networkUse(context, name)))
  network
    .command('leave')
    .description('forget a private network and what admitted to it')
    .argument('<name>', 'name or id')
    .action(
      act(async (context, name: string) => (await import('./commands/network-leave.ts')).networkLeave(context, name)),
    )
}
