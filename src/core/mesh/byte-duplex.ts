/** The byte stream under a session, as small as a session needs it; `ports/duplex.ts` says what every one of them promises. */

/** What a byte stream tells whoever uses it. */
export interface ByteDuplexEvents {
  /** More bytes, in order. The array belongs to the receiver. */
  received(bytes: Uint8Array): void
  /** After `send` returned false: more can be taken again. */
  drained(): void
  /** Nothing more comes and nothing more leaves; with the reason where it did not end as meant. */
  closed(error: unknown): void
}

export interface ByteDuplex {
  /** Begins to tell `events`; called once, and nothing that came before is lost. */
  start(events: ByteDuplexEvents): void
  /** Sends the arrays in order, all of them whatever it returns; false: wait for `drained`. */
  send(chunks: readonly Uint8Array[]): boolean
  /** Ends the stream after everything sent. */
  close(): void
  /** Ends the stream at once. */
  abort(error: unknown): void
}
