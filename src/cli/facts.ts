/** Names and values under each other, for one thing that is shown in full. */
import { printable } from './terminal.ts'

const INDENT = 2
const GAP = 3

/** A line for each fact whose value is known. */
export function factLines(facts: readonly (readonly [name: string, value: string | null])[]): readonly string[] {
  const known = facts.filter(([, value]) => value !== null)
  const width = Math.max(0, ...known.map(([name]) => name.length)) + GAP
  return known.map(([name, value]) => `${' '.repeat(INDENT)}${name.padEnd(width)}${printable(value ?? '')}`)
}
