/** Lets promise chains that are ready run to their next wait. */

export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
