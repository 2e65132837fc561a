/** Sizes, durations and counts as people read them. */

const SIZES = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** `4.9 GB`; powers of 1,000, as disks and downloads are counted. */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < SIZES.length - 1) {
    value /= 1_000
    unit += 1
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toFixed(1)} ${SIZES[unit]}`
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

/** `640 ms`, `7.4 s`, `2m 10s`, `2h 14m`, `3d 4h`. */
export function durationText(ms: number): string {
  if (ms < 0.95) return ms <= 0 ? '0 ms' : `${ms.toFixed(1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 59_950) return `${(ms / SECOND_MS).toFixed(1)} s`
  const wholeMs = Math.round(ms / SECOND_MS) * SECOND_MS
  const parts = (big: number, bigUnit: string, small: number, smallUnit: string): string => {
    const whole = Math.floor(wholeMs / big)
    const rest = Math.floor((wholeMs - whole * big) / small)
    return rest === 0 ? `${whole}${bigUnit}` : `${whole}${bigUnit} ${rest}${smallUnit}`
  }
  if (wholeMs < HOUR_MS) return parts(MINUTE_MS, 'm', SECOND_MS, 's')
  if (wholeMs < DAY_MS) return parts(HOUR_MS, 'h', MINUTE_MS, 'm')
  return parts(DAY_MS, 'd', HOUR_MS, 'h')
}

/** `1.2M`, `8B`: parameters of a model. */
export function parametersText(count: number): string {
  if (count >= 999.5e9) return `${trimmed(count / 1e12)}T`
  if (count >= 999.5e6) return `${trimmed(count / 1e9)}B`
  if (count >= 999.5e3) return `${trimmed(count / 1e6)}M`
  return count >= 1_000 ? `${trimmed(count / 1e3)}K` : String(count)
}

const trimmed = (value: number): string =>
  value >= 99.5 ? String(Math.round(value)) : value.toFixed(1).replace(/\.0$/, '')

/** `1 model`, `3 models`. */
export function counted(count: number, singular: string, plural = `${singular}s`): string {
  return `${count} ${count === 1 ? singular : plural}`
}
