/** TLS before Noise, each loaded with the first connection that wants it: together a tenth of a node's memory. */
import { type ConnectionEncrypter, type SecureConnectionOptions, serviceCapabilities } from '@libp2p/interface'
import type { Libp2pInit } from 'libp2p'

type EncrypterFactory = NonNullable<Libp2pInit['connectionEncrypters']>[number]
type Stream = Parameters<ConnectionEncrypter['secureInbound']>[0]

export function encrypters(): EncrypterFactory[] {
  return [
    whenWanted('/tls/1.0.0', async () => (await import('@libp2p/tls')).tls()),
    whenWanted('/noise', async () => (await import('@libp2p/noise')).noise()),
  ]
}

function whenWanted(protocol: string, load: () => Promise<EncrypterFactory>): EncrypterFactory {
  return (components) => {
    let opened: Promise<ConnectionEncrypter> | undefined
    const open = async (): Promise<ConnectionEncrypter> => (await load())(components)
    const encrypter = (): Promise<ConnectionEncrypter> => (opened ??= open())
    return {
      protocol,
      [serviceCapabilities]: ['@libp2p/connection-encryption'],
      secureInbound: async (stream: Stream, options?: SecureConnectionOptions) =>
        (await encrypter()).secureInbound(stream, options),
      secureOutbound: async (stream: Stream, options?: SecureConnectionOptions) =>
        (await encrypter()).secureOutbound(stream, options),
    }
  }
}
