/** What the benchmark of real hosts asks its processes. */

export type GroupQuestion =
  | { readonly do: 'start'; readonly count: number; readonly bootstrap: readonly string[] }
  | { readonly do: 'counts' }
  | { readonly do: 'rename'; readonly member: number; readonly name: string }
  | { readonly do: 'await-name'; readonly name: string; readonly withinMs: number }

export interface GroupAnswer {
  readonly error?: string
  readonly addresses?: readonly string[]
  /** Nodes that each member lists, itself included. */
  readonly counts?: readonly number[]
  /** When the change was made, by the shared clock. */
  readonly at?: number
  readonly peer?: string
  /** When each member saw the change; null where it did not in time. */
  readonly times?: readonly (number | null)[]
}
