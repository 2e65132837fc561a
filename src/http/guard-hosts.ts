/** Which Host headers are ours. DNS rebinding makes a browser send a foreign name to a local address; a foreign name is refused. */

export interface HostPolicy {
  /** The host of the listening address, e.g. `127.0.0.1`, `::1`, `0.0.0.0` or a name. */
  readonly listenHost: string
  readonly nodeName: string
  /** Names that the operator added, e.g. of a reverse proxy. */
  readonly hosts: readonly string[]
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1'] as const
const WILDCARDS: ReadonlySet<string> = new Set(['', '0.0.0.0', '::', '*'])
const IPV4 = /^(\d{1,3}\.){3}\d{1,3}$/
const IPV6 = /^[0-9a-f:.]*:[0-9a-f:.]*$/

/** Prepares the check of one policy: `(hostHeader, localAddress) => allowed`. */
export function compileHosts(policy: HostPolicy): (host: string, localAddress: string | undefined) => boolean {
  const listen = bare(policy.listenHost)
  const everywhere = WILDCARDS.has(listen)
  const names = new Set<string>([...LOOPBACK_NAMES, ...policy.hosts.map(bare)])
  const node = bare(policy.nodeName)
  if (/^[a-z0-9._-]+$/.test(node)) names.add(node).add(`${node}.local`)
  if (!everywhere) names.add(listen)
  return (header, localAddress) => {
    const host = hostnameOf(header)
    if (host === undefined) return false
    if (names.has(host)) return true
    if (!IPV4.test(host) && !IPV6.test(host)) return false
    // An address cannot be rebound: whoever listens on every address may be reached by one that only a NAT in front knows.
    return everywhere || (localAddress !== undefined && host === bare(localAddress))
  }
}

/** The host of a Host header in the form that is compared: lower case, without port, brackets and the root's dot. */
export function hostnameOf(header: string): string | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?$/.exec(header.trim())
  const host = match?.[1] ?? match?.[2]
  return host === undefined ? undefined : bare(host)
}

/** Also turns an IPv4 address that a dual-stack socket reports (`::ffff:10.0.0.1`) into itself. */
function bare(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:(?=\d+\.)/, '')
    .replace(/%.*$/, '')
    .replace(/\.$/, '')
}
