/** What a person asked to pull: where from, under which name, and which digest is expected. */
import { HeddleError } from '../core/errors.ts'
import {
  fileNameOf,
  type ModelFileName,
  modelIdOf,
  parseModelFileName,
  parseModelId,
} from '../core/models/model-file-name.ts'

export interface PullPlan {
  readonly kind: 'http' | 'file'
  /** Address or path as the downloader takes it. */
  readonly address: string
  /** The address without what may be secret: credentials, query and fragment. Shown and noted. */
  readonly source: string
  readonly id: string
  readonly fileName: ModelFileName
  /** Lower-case hex. */
  readonly sha256: string | undefined
}

export interface PullWish {
  /** Id of the model to be, instead of the one that the address suggests. */
  readonly name?: string | undefined
  /** Expected SHA-256 in hex; also taken from `#sha256=…` at the end of the reference. */
  readonly sha256?: string | undefined
}

const DIGEST = /^[0-9a-f]{64}$/
const DIGEST_MARK = '#sha256='
/** A scheme has two letters at least: one is a drive of Windows. */
const SCHEME = /^([a-z][a-z0-9+.-]+):/i

/** Throws `invalid_request` with what to write instead. */
export function planPull(reference: string, { name, sha256 }: PullWish): PullPlan {
  const mark = reference.lastIndexOf(DIGEST_MARK)
  const address = (mark < 0 ? reference : reference.slice(0, mark)).trim()
  const digests = [sha256, mark < 0 ? undefined : reference.slice(mark + DIGEST_MARK.length)]
  const expected = digests.flatMap((digest) => (digest === undefined ? [] : [parseDigest(digest)]))
  if (expected[0] !== undefined && expected[1] !== undefined && expected[0] !== expected[1]) {
    throw wrong('two different SHA-256 digests are given')
  }
  const { kind, source, last } = placeOf(address)
  const id = name === undefined ? suggestedId(last) : parseModelId(name)
  const fileName = id === undefined ? undefined : fileNameOf(id)
  if (id === undefined || fileName === undefined) {
    throw name === undefined
      ? wrong('the address does not end in a file name for a model', 'heddle models pull <address> --name <model>')
      : wrong('a model name has letters, digits and . _ - + = @, with / between folders')
  }
  return { kind, address, source, id, fileName, sha256: expected[0] }
}

function parseDigest(text: string): string {
  const digest = text.trim().toLowerCase()
  if (!DIGEST.test(digest)) throw wrong('a SHA-256 digest has 64 hexadecimal digits')
  return digest
}

interface Place extends Pick<PullPlan, 'kind' | 'source'> {
  /** The last part of the path. */
  readonly last: string
}

function placeOf(address: string): Place {
  if (address === '' || address.includes('\0')) throw wrong('an address or a path is needed')
  const scheme = SCHEME.exec(address)?.[1]?.toLowerCase()
  if (scheme === undefined) return { kind: 'file', source: address, last: lastOf(address.replaceAll('\\', '/')) }
  if (scheme !== 'http' && scheme !== 'https' && scheme !== 'file')
    throw wrong('only http, https and file addresses are taken')
  if (!URL.canParse(address)) throw wrong('this is not a whole address')
  const url = new URL(address)
  const source = scheme === 'file' ? url.href : `${url.origin}${url.pathname}`
  return { kind: scheme === 'file' ? 'file' : 'http', source, last: decoded(lastOf(url.pathname)) }
}

function lastOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return '' // broken escapes suggest no name
  }
}

/** A name hidden in escapes (`..%2f`) has more than one part and is refused. */
function suggestedId(last: string): string | undefined {
  const fileName = last.includes('/') ? undefined : parseModelFileName(last)
  return fileName === undefined ? undefined : modelIdOf(fileName)
}

function wrong(what: string, fix?: string): HeddleError {
  return new HeddleError('invalid_request', what, { fix })
}
