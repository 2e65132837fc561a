/** Values as the vectors write them: bytes in hexadecimal, what is undefined left out. */
export function vectorJson(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_name, each: unknown) =>
      each instanceof Uint8Array ? Buffer.from(each).toString('hex') : each,
    ),
  )
}
