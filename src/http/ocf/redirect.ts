/** Redirects of a service, led back through the route by which the service was asked. */
import type { MessageHeaders } from '../../core/message.ts'

/**
 * A `location` that is a path counts from the service's own root; its client needs it below the route. Others stay as they are.
 * @param target as the client sent it
 * @param path what of it was asked of the service
 */
export function redirectedWithin(headers: MessageHeaders, target: string, path: string): MessageHeaders {
  const { location } = headers
  if (location === undefined || !location.startsWith('/') || location.startsWith('//')) return headers
  return target.endsWith(path) ? { ...headers, location: target.slice(0, -path.length) + location } : headers
}
