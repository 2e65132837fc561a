/** Chance that comes out the same for the same seed. */

/** Numbers in [0, 1) by Marsaglia's xorshift with 32 bits of state (Journal of Statistical Software 8, 2003); for tests only. */
export function seededChance(seed: number): () => number {
  // Near seeds must not begin alike, and the state must not be 0.
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1
  const next = (): number => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
  for (let round = 0; round < 8; round += 1) next()
  return next
}
