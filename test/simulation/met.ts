/** What a simulation can meet. One that never meets trouble proves nothing. */
import type { TrafficOutcome } from './traffic.ts'

export type Met =
  | 'loss'
  | 'duplication'
  | 'skew'
  | 'partition'
  | 'kill'
  | 'leave'
  | 'restart'
  | 'attack refused'
  | 'attack held against its sender'
  | 'equivocation'
  | 'lease ended'
  | 'farewell'
  | 'attack on sessions'
  | TrafficOutcome
