/** Which node a person means: by its name, its id or its fingerprint, whole or the beginning of it. */
import { HeddleError } from '../errors.ts'
import { nearNames } from '../routing/near-names.ts'

export interface NamedNode {
  readonly id: string
  readonly name: string
  /** Asked for only where neither name nor id fits. */
  readonly fingerprint: () => string
}

/** Shorter beginnings of a fingerprint would fit by chance. */
const FINGERPRINT_DIGITS = 4
/** As many as a sentence can hold. */
const NAMED = 5

/**
 * A whole id, name or fingerprint goes before a beginning; names are compared without regard to case.
 * @throws HeddleError `not_found`, or `invalid_request` where several nodes fit
 */
export function pickNode<Node extends NamedNode>(nodes: readonly Node[], text: string): Node {
  const wanted = text.trim().toLowerCase()
  const byId = nodes.find(({ id }) => id === text.trim())
  if (byId !== undefined) return byId
  const isHex = /^[0-9a-f]+$/.test(wanted) && wanted.length >= FINGERPRINT_DIGITS
  const exact = nodes.filter(({ name }) => name.toLowerCase() === wanted)
  const found =
    exact.length > 0
      ? exact
      : nodes.filter(
          ({ id, name, fingerprint }) =>
            wanted !== '' &&
            (id.toLowerCase().startsWith(wanted) ||
              name.toLowerCase().startsWith(wanted) ||
              (isHex && fingerprint().startsWith(wanted))),
        )
  const [node] = found
  if (node === undefined) throw unknownNode(nodes, text)
  if (found.length > 1) throw ambiguous(found, text)
  return node
}

/** The beginning of an id that is enough to tell nodes apart, and that `pickNode` takes. */
export function shortId(id: string): string {
  const idStart = 16
  return id.slice(0, idStart)
}

function unknownNode(nodes: readonly NamedNode[], text: string): HeddleError {
  const near = nearNames(text, [...new Set(nodes.map(({ name }) => name))])
  const hint = near.length === 0 ? '' : `; did you mean ${near.map((name) => `"${name}"`).join(', ')}?`
  return new HeddleError('not_found', `there is no node "${text}"${hint}`, { param: 'node', fix: 'heddle nodes ls' })
}

function ambiguous(found: readonly NamedNode[], text: string): HeddleError {
  const named = found.slice(0, NAMED).map(({ id, name }) => `${name} (${shortId(id)})`)
  const more = found.length > NAMED ? ` and ${found.length - NAMED} more` : ''
  return new HeddleError(
    'invalid_request',
    `"${text}" may be any of ${found.length} nodes: ${named.join(', ')}${more}; give more of the name or id`,
    { param: 'node', fix: 'heddle nodes ls' },
  )
}
