/** `heddle doctor`: looks at this machine, the configuration and the node in order, and says what would mend each fault. */
import { heddleErrorOf } from '../../core/errors.ts'
import { counted } from '../amounts.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { CHECKS, type Finding } from '../doctor-checks.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { printable } from '../terminal.ts'

interface NamedFinding extends Finding {
  readonly check: string
}

export async function doctor(context: Context): Promise<ExitCode> {
  const findings: NamedFinding[] = []
  for (const [check, look] of CHECKS) {
    const found = await look(context).catch((error: unknown) => {
      context.signal.throwIfAborted()
      const { message, details } = heddleErrorOf(error)
      return [{ result: 'fail' as const, message, fix: details.fix ?? null }]
    })
    for (const each of found) {
      const finding = { check, ...each }
      findings.push(finding)
      if (!context.json) show(context, finding)
    }
  }
  const count = (result: Finding['result']): number => findings.filter((each) => each.result === result).length
  const failed = count('fail')
  if (context.json) context.document({ schema: 'heddle.doctor/v1', ok: failed === 0, findings })
  else context.terminal.line(`  ${failed} failed, ${counted(count('warn'), 'warning')}`)
  return failed === 0 ? EXIT.ok : EXIT.failed
}

const NAME_WIDTH = 16

function show({ terminal, env }: Context, { check, result, message, fix }: NamedFinding): void {
  const marks = {
    pass: terminal.paint('green', '✓'),
    warn: terminal.paint('yellow', '!'),
    fail: terminal.paint('red', '✗'),
  }
  terminal.line(`  ${marks[result]} ${check.padEnd(NAME_WIDTH)} ${printable(message)}`)
  if (fix !== null) terminal.line(`    ${' '.repeat(NAME_WIDTH)} try: ${printable(asTyped(fix, env))}`)
}
