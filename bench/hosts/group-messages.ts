/** What the benchmark of real hosts asks its processes. */

export type GroupQuestion =
  | { readonly do: 'start'; readonly count: number; readonly bootstrap: readonly string[] }
  | { readonly do: 'counts' }
  /** One question at a time goes to a process, so the author's waits and changes in one. */
  | { readonly do: 'await-name'; readonly name: string; readonly withinMs: number; readonly author?: number }

export interface GroupAnswer {
  readonly error?: string
  readonly addresses?: readonly string[]
  /** Nodes that each member lists, itself included. */
  readonly counts?: readonly number[]
  /** When the author made the change, by the shared clock. */
  readonly at?: number
  /** When each member saw the change; null where it did not in time. */
  readonly times?: readonly (number | null)[]
}
