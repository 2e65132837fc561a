/** Opens the gateway's port, or says who holds it. */
import { portOwner } from '../adapters/system/port-owner.ts'
import { HeddleError } from '../core/errors.ts'
import type { HeddleServer } from '../http/server.ts'
import type { ListenAddress } from './config-values.ts'

/** Resolves with the URL in use. @throws HeddleError `port_in_use` or `config_invalid` */
export async function listen(server: HeddleServer, { host, port }: ListenAddress): Promise<string> {
  try {
    return urlOf(host, await server.listen(host, port))
  } catch (error) {
    throw await failureOf(error, host, port)
  }
}

function urlOf(host: string, port: number): string {
  // A wildcard is no address to call; this machine's own is.
  const callable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${callable.includes(':') ? `[${callable}]` : callable}:${port}`
}

async function failureOf(error: unknown, host: string, port: number): Promise<unknown> {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  switch (code) {
    case 'EADDRINUSE': {
      const owner = await portOwner(port)
      const who = owner === undefined ? '' : ` by "${owner.name}" (pid ${owner.pid})`
      return new HeddleError('port_in_use', `port ${port} is in use${who}`, {
        cause: error,
        fix: `heddle serve --listen ${host}:${port + 1}      or stop that process`,
      })
    }
    case 'EADDRNOTAVAIL':
    case 'EACCES':
    case 'ENOTFOUND':
      return new HeddleError('config_invalid', `cannot listen on ${host}:${port} (${code})`, {
        cause: error,
        fix: 'heddle serve --listen 127.0.0.1:11440',
      })
    default:
      return error
  }
}
