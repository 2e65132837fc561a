/** Where an HTTP runtime is: its base URL as people write it, taken apart. */
import { HeddleError } from '../../core/errors.ts'

export interface UpstreamUrl {
  /** Scheme, host and port. */
  readonly origin: string
  /** What comes before `/v1/…`; empty or `/something` without a trailing slash. */
  readonly pathPrefix: string
  /** Origin and prefix, for people and for the runtime's id. */
  readonly text: string
}

/**
 * Parses the base URL of a server, with or without `/v1` and trailing slashes.
 * Throws `config_invalid`, also for credentials in the URL: they would show up wherever the URL does.
 */
export function parseUpstreamUrl(text: string, example: string): UpstreamUrl {
  const url = URL.parse(text.trim())
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.hostname === '') {
    throw invalid('a runtime needs an http:// or https:// URL', example)
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid('a runtime URL must not carry credentials; put the key into a file and name that file', example)
  }
  if (url.search !== '' || url.hash !== '') throw invalid('a runtime URL must have no query and no fragment', example)
  const pathPrefix = url.pathname
    .replace(/\/{2,}/g, '/')
    .replace(/\/+$/, '')
    .replace(/\/v1$/, '')
  return { origin: url.origin, pathPrefix, text: url.origin + pathPrefix }
}

/**
 * Parses what Ollama's own clients take as its address (`OLLAMA_HOST`): `host`, `:port`, `host:port` or a URL.
 * Without a port it is 11434, with a scheme the scheme's own. The wildcard address of a server is reached on loopback.
 */
export function parseOllamaUrl(text: string): UpstreamUrl {
  const example = 'ollama:http://127.0.0.1:11434'
  const trimmed = text.trim()
  if (trimmed === '') return parseUpstreamUrl('http://127.0.0.1:11434', example)
  if (/^https?:\/\//i.test(trimmed)) return loopback(parseUpstreamUrl(trimmed, example))
  const host = trimmed.startsWith(':') ? `127.0.0.1${trimmed}` : trimmed
  const url = parseUpstreamUrl(`http://${host}`, example)
  const hasPort = /:\d+(\/|$)/.test(host.replace(/^\[[^\]]*\]/, ''))
  return loopback(hasPort ? url : parseUpstreamUrl(`${url.origin}:11434${url.pathPrefix}`, example))
}

function loopback(url: UpstreamUrl): UpstreamUrl {
  const parsed = new URL(url.origin)
  if (parsed.hostname === '0.0.0.0') parsed.hostname = '127.0.0.1'
  else if (parsed.hostname === '[::]') parsed.hostname = '[::1]'
  else return url
  return { origin: parsed.origin, pathPrefix: url.pathPrefix, text: parsed.origin + url.pathPrefix }
}

function invalid(message: string, example: string): HeddleError {
  return new HeddleError('config_invalid', message, { fix: `write it like ${example}` })
}
