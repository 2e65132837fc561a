/** How a command is bound to what it does. */
import type { Command } from 'commander'
import type { Context } from './context.ts'
import type { ExitCode } from './exit-codes.ts'

/** Binds a command to what it does; the module of the work is loaded only when the command is called. */
export type Act = <A extends unknown[]>(
  work: (context: Context, ...args: A) => Promise<ExitCode>,
) => (...args: [...A, Command]) => Promise<void>
