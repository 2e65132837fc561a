/** The kinds of values that settings have, and how each is read from text. */

/** Where a server listens. */
export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

export type SettingKind = 'text' | 'list' | 'boolean' | 'integer' | 'duration' | 'size' | 'listen'

const DURATION_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
const SIZE_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** Milliseconds of `30s`, `500ms`, `1h30m` or `7d`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined
  let total = 0
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * (DURATION_MS[unit ?? ''] ?? 0)
  }
  return Math.round(total)
}

/** Bytes of `20MiB`, `10GB` or `512B`; undefined where it is none. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?) ?([KMGT]i?B|B)$/.exec(text)
  return match ? Math.round(Number(match[1]) * (SIZE_BYTES[match[2] ?? ''] ?? 0)) : undefined
}

/** Host and port of `127.0.0.1:11440`, `[::1]:0` or `localhost:80`; undefined where it is none. */
export function parseListen(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  return match && port <= 65_535 ? { host: match[1] ?? match[2] ?? '', port } : undefined
}

/** `text` of a flag or a variable as the value that a TOML file would hold; undefined where it cannot be one. */
export function valueOfText(kind: SettingKind, text: string): unknown {
  switch (kind) {
    case 'list':
      return text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== '')
    case 'boolean':
      if (/^(true|1|yes|on)$/i.test(text)) return true
      return /^(false|0|no|off)$/i.test(text) ? false : text
    case 'integer':
      return /^-?\d+$/.test(text) ? Number(text) : text
    case 'text':
    case 'duration':
    case 'size':
    case 'listen':
      return text
  }
}
