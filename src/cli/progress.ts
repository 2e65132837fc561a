/** The progress of a download: one line that is rewritten on a terminal, plain lines now and then elsewhere. */
import stringWidth from 'string-width'
import type { PullProgress } from '../core/wire/admin-models.ts'
import { bytesText, durationText } from './amounts.ts'
import { cutTo } from './table.ts'
import type { TextSink } from './terminal.ts'

/** Longer bars show nothing more. */
const WIDEST_BAR = 40
const LEAST_BAR = 6
const PLAIN_LINE_EVERY_MS = 5_000
const REWRITE_EVERY_MS = 100
const DIGEST_LETTERS = 12

/** `pulling 3f1c9a…   62% ▕██████    ▏  3.1 GB/4.9 GB   48 MB/s   38s`, at most `width` columns wide. */
export function progressLine(progress: PullProgress, width: number): string {
  const { status, digest, total, completed, ratePerSecond, etaSeconds } = progress
  const head =
    digest === undefined ? status : `${status} ${digest.replace(/^sha256[:-]/, '').slice(0, DIGEST_LETTERS)}…`
  if (completed === undefined) return cutTo(head, width)
  const known = total !== undefined && total > 0
  const amount = known ? `${bytesText(completed)}/${bytesText(total)}` : bytesText(completed)
  const facts = [amount]
  if (status === 'pulling' && ratePerSecond !== undefined) facts.push(`${bytesText(ratePerSecond)}/s`)
  if (status === 'pulling' && etaSeconds !== undefined) facts.push(etaText(Math.ceil(etaSeconds)))
  const tail = facts.join('   ')
  if (!known) return cutTo(`${head}   ${tail}`, width)
  const fraction = Math.min(1, completed / total)
  const percent = `${Math.floor(fraction * 100)}%`.padStart(4)
  const room = width - stringWidth(`${head}  ${percent} ▕▏  ${tail}`)
  if (room < LEAST_BAR) return cutTo(`${head}  ${percent}  ${tail}`, width)
  const bar = Math.min(WIDEST_BAR, room)
  const full = Math.floor(fraction * bar)
  return `${head}  ${percent} ▕${'█'.repeat(full)}${' '.repeat(bar - full)}▏  ${tail}`
}

const etaText = (seconds: number): string => (seconds < 60 ? `${seconds}s` : durationText(seconds * 1_000))

export interface ProgressWriter extends Disposable {
  show(progress: PullProgress): void
}

/** Writes to `sink` until disposed, which ends the line. `now` is in milliseconds of any clock. */
export function progressWriter(sink: TextSink, now: () => number): ProgressWriter {
  return sink.isTTY === true ? rewritingWriter(sink, now) : plainWriter(sink, now)
}

function rewritingWriter(sink: TextSink, now: () => number): ProgressWriter {
  let open = false
  let shownAt = Number.NEGATIVE_INFINITY
  let status = ''
  return {
    show(progress) {
      const isNew = progress.status !== status
      if (!isNew && now() - shownAt < REWRITE_EVERY_MS && progress.completed !== progress.total) return
      // The last state of a step stays on the screen, as the step's result.
      if (isNew && open) sink.write('\n')
      status = progress.status
      shownAt = now()
      sink.write(`\r${progressLine(progress, (sink.columns ?? 80) - 1)}\u001B[K`)
      open = true
    },
    [Symbol.dispose]() {
      if (open) sink.write('\n')
      open = false
    },
  }
}

function plainWriter(sink: TextSink, now: () => number): ProgressWriter {
  let shownAt = Number.NEGATIVE_INFINITY
  let status = ''
  return {
    show(progress) {
      if (progress.status === status && now() - shownAt < PLAIN_LINE_EVERY_MS) return
      status = progress.status
      shownAt = now()
      sink.write(`${progressLine(progress, 120).replace(/ ▕.*▏/, '')}\n`)
    },
    [Symbol.dispose]() {},
  }
}
