/** Where events go for the operator's analytics, by Axiom's own variables, as OCF's nodes take them. */
import { HeddleError } from '../core/errors.ts'
import type { Environment } from './paths.ts'

export interface AxiomConfig {
  /** Of the ingest API. */
  readonly url: string
  readonly dataset: string
  readonly token: string
}

const DEFAULT_URL = 'https://api.axiom.co'

/** Undefined where nothing is to be sent: events need both a dataset and a token. @throws HeddleError `config_invalid` */
export function axiomOf(env: Environment): AxiomConfig | undefined {
  const [token, dataset, url = DEFAULT_URL] = [env['AXIOM_TOKEN'], env['AXIOM_DATASET'], env['AXIOM_URL'] || undefined]
  if (!token || !dataset) return undefined
  if (!/^[\x21-\x7e]+$/.test(token)) throw wrong('AXIOM_TOKEN', 'a token without spaces and line breaks')
  const parsed = URL.parse(url)
  const isHttp = parsed?.protocol === 'https:' || parsed?.protocol === 'http:'
  if (parsed === null || !isHttp || parsed.username !== '' || parsed.search !== '')
    throw wrong('AXIOM_URL', 'an address such as https://api.axiom.co')
  return { url, dataset, token }
}

function wrong(name: string, expected: string): HeddleError {
  return new HeddleError('config_invalid', `${name}: expected ${expected}`, { param: name, fix: `unset ${name}` })
}
