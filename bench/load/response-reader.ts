/** Reads HTTP/1.1 answers with chunked bodies from a socket; small, so that the client costs little beside the proxies. */

/** What a piece of input brought. */
export interface ReadStep {
  /** Body text, without the chunk framing. */
  readonly text: string
  /** Whether the answer is complete. */
  readonly ended: boolean
}

type State = 'head' | 'size' | 'data' | 'after-data' | 'trailer' | 'ended'

const LINE_END = '\r\n'

export class ResponseReader {
  status = 0
  /** Whether the server will close the connection after this answer. */
  closes = false
  #state: State = 'head'
  #rest = ''
  #left = 0

  /** Takes latin1 text as it comes from the socket; throws when it is not HTTP as expected here. */
  push(input: string): ReadStep {
    let rest = this.#rest === '' ? input : this.#rest + input
    let text = ''
    for (;;) {
      if (this.#state === 'data') {
        const piece = rest.length > this.#left ? rest.slice(0, this.#left) : rest
        text += piece
        rest = rest.slice(piece.length)
        this.#left -= piece.length
        if (this.#left > 0) break
        this.#state = 'after-data'
      }
      if (this.#state === 'ended') {
        if (rest !== '') throw new Error('bytes after the end of the answer')
        break
      }
      const end = rest.indexOf(this.#state === 'head' ? LINE_END + LINE_END : LINE_END)
      if (end === -1) break
      const line = rest.slice(0, end)
      rest = rest.slice(end + (this.#state === 'head' ? 4 : 2))
      this.#line(line)
    }
    this.#rest = rest
    return { text, ended: this.#state === 'ended' }
  }

  #line(line: string): void {
    if (this.#state === 'head') {
      this.status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1] ?? 0)
      this.closes = /^connection: *close/im.test(line)
      if (this.status !== 200) throw new Error(`status ${this.status}`)
      if (!/^transfer-encoding: *chunked/im.test(line)) throw new Error('the answer is not chunked')
      this.#state = 'size'
    } else if (this.#state === 'size') {
      this.#left = Number.parseInt(line, 16)
      if (!Number.isInteger(this.#left)) throw new Error('unreadable chunk size')
      this.#state = this.#left === 0 ? 'trailer' : 'data'
    } else if (this.#state === 'after-data') {
      if (line !== '') throw new Error('a chunk is longer than it said')
      this.#state = 'size'
    } else if (line === '') this.#state = 'ended' // else a trailer field, of no interest
  }
}
