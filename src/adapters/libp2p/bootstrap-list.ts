/** The first peers of a node: multiaddrs as they were given, or one HTTP endpoint that lists them. */
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { HeddleError } from '../../core/errors.ts'
import type { NodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'

interface ResolveOptions {
  /** Left out of the list: a bootstrap is often told its own address. */
  readonly self: NodeId
  /** Multiaddrs of this node, with its id; left out too, for who was told one may not have been told the id. */
  readonly own: readonly string[]
  readonly signal: AbortSignal
}

/**
 * Addresses to dial, without repetition.
 * @param list multiaddrs, or a single `http://` or `https://` address that answers with `["/ip4/…"]` or `{"bootstraps": [...]}`
 * @throws HeddleError `config_invalid` naming the entry that is wrong, `peer_unreachable` where the endpoint does not answer with a list
 */
export async function resolveBootstrap(
  list: readonly string[],
  { self, own, signal }: ResolveOptions,
): Promise<readonly string[]> {
  const [first] = list
  const endpoint = list.length === 1 && first !== undefined && isHttp(first) ? first : undefined
  if (endpoint === undefined)
    return usable(
      list.map((entry) => parseEntry(entry)),
      { self, own },
    )
  const entries = await askEndpoint(endpoint, signal)
  const addresses = entries.map(parseAddress).filter((address) => address !== undefined)
  if (entries.length > 0 && addresses.length === 0) {
    throw unreachable(endpoint, 'lists no multiaddr that this version understands')
  }
  return usable(addresses, { self, own })
}

function isHttp(entry: string): boolean {
  return /^https?:\/\//.test(entry)
}

function parseEntry(entry: string): Multiaddr {
  if (isHttp(entry)) {
    throw new HeddleError('config_invalid', `bootstrap: ${withoutSecrets(entry)} stands among other entries`, {
      param: 'bootstrap',
      fix: 'give either multiaddrs or a single HTTP address',
    })
  }
  const address = parseAddress(entry)
  if (address !== undefined) return address
  throw new HeddleError(
    'config_invalid',
    `bootstrap: ${JSON.stringify(entry.slice(0, SHOWN))} is not a multiaddr that can be dialled`,
    {
      param: 'bootstrap',
      fix: 'use the form /ip4/192.0.2.7/tcp/11441/p2p/12D3KooW…',
    },
  )
}

/** How much of a wrong entry an error repeats. */
const SHOWN = 120

/** Undefined where it is no multiaddr of a place that can be dialled. */
function parseAddress(entry: string): Multiaddr | undefined {
  try {
    const address = multiaddr(entry)
    return /^(ip4|ip6|dns|dns4|dns6|dnsaddr)$/.test(address.getComponents()[0]?.name ?? '') ? address : undefined
  } catch {
    return undefined
  }
}

function usable(
  addresses: readonly Multiaddr[],
  { self, own }: Pick<ResolveOptions, 'self' | 'own'>,
): readonly string[] {
  const others = addresses.filter((address) => {
    const peer = address.getComponents().findLast(({ code }) => code === CODE_P2P)
    return peer?.value !== self && !own.includes(`${address.toString()}/p2p/${self}`)
  })
  return [...new Set(others.map(String))].slice(0, limit('bootstrapAddresses'))
}

async function askEndpoint(endpoint: string, signal: AbortSignal): Promise<readonly string[]> {
  const ended = AbortSignal.any([signal, AbortSignal.timeout(limit('bootstrapAnswerMs'))])
  const text = await answerOf(endpoint, ended).catch((cause: unknown) => {
    signal.throwIfAborted()
    if (cause instanceof HeddleError) throw cause
    throw unreachable(endpoint, ended.aborted ? 'does not answer in time' : 'cannot be reached', cause)
  })
  const list = listIn(text)
  if (list === undefined) throw unreachable(endpoint, 'does not answer with a JSON list of multiaddrs')
  return list
}

async function answerOf(endpoint: string, signal: AbortSignal): Promise<string> {
  // Few nodes have such an endpoint, and none asks it often.
  const { request } = await import('undici')
  const { statusCode, body } = await request(endpoint, { signal, headers: { accept: 'application/json' } })
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length
    if (sizeBytes > limit('bootstrapAnswerBytes'))
      throw unreachable(endpoint, 'answers with more than a list of addresses')
    chunks.push(chunk)
  }
  if (statusCode !== 200) throw unreachable(endpoint, `answers with status ${statusCode}`)
  return Buffer.concat(chunks).toString('utf8')
}

/** The texts of `[...]` or of OCF's `{"bootstraps": [...]}`; undefined where there is no such list. */
function listIn(text: string): readonly string[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const list: unknown = value instanceof Object && 'bootstraps' in value ? value.bootstraps : value
  return Array.isArray(list) ? list.filter((entry) => typeof entry === 'string') : undefined
}

function unreachable(endpoint: string, what: string, cause?: unknown): HeddleError {
  return new HeddleError('peer_unreachable', `the list of bootstraps at ${withoutSecrets(endpoint)} ${what}`, {
    cause,
    fix: 'open it in a browser, or give --bootstrap a multiaddr instead',
  })
}

/** An address may carry a name, a password or a token. */
function withoutSecrets(endpoint: string): string {
  const url = URL.parse(endpoint)
  return url === null ? 'the HTTP address' : `${url.protocol}//${url.host}${url.pathname}`
}
