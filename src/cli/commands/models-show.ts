/** `heddle models show`: all about one model. */
import type { ModelView } from '../../core/wire/admin-models.ts'
import { bytesText, parametersText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'

export async function modelsShow(context: Context, id: string): Promise<ExitCode> {
  const node = await context.node()
  const model = await node.call<ModelView>('GET', `/api/v1/models/${encodeURIComponent(id)}`, undefined, {
    signal: context.signal,
  })
  if (context.json) context.document({ schema: 'heddle.model/v1', ...model })
  else for (const line of factLines(factsOf(model))) context.terminal.line(line)
  return EXIT.ok
}

function factsOf(model: ModelView): readonly (readonly [string, string | null])[] {
  return [
    ['model', model.id],
    ['state', model.state],
    ['answers', model.endpoints.join(', ') || null],
    ['architecture', model.architecture],
    ['parameters', model.parameters === null ? null : parametersText(model.parameters)],
    ['quantisation', model.quantisation],
    ['context', model.contextTokens === null ? null : `${model.contextTokens} tokens`],
    ['images', model.vision ? 'yes' : null],
    ['size', model.sizeBytes === null ? null : bytesText(model.sizeBytes)],
    ['sha256', model.digest],
    ['file', model.file],
    ['owner', model.ownedBy || null],
    ['created', model.createdAt],
    ['last seen', model.lastSeenAt],
    ...model.providers.map(({ nodeName, runtime, connector, state, reason, inFlight, capacity }) => {
      const load = state === 'ready' ? `${inFlight}/${capacity}` : reason
      return [
        'served by',
        `${runtime} on ${nodeName} (${connector}) · ${state}${load === '' ? '' : ` · ${load}`}`,
      ] as const
    }),
  ]
}
