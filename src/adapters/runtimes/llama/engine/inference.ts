/** Answers a chat or a completion: all choices at once, whole or as they come. */
import { heddleErrorOf } from '../../../../core/errors.ts'
import { type AnswerFormat, chatFormat, completionFormat, type FinishedChoice, type Usage } from './answer-format.ts'
import { EventStream } from './event-stream.ts'
import { type Exchange, errorBody, sendJson } from './exchange.ts'
import { type Body, flagField, objectField } from './fields.ts'
import { type ChoiceEnd, type ChoicePlan, generateChoice } from './generate.ts'
import type { LoadedModel } from './loaded-model.ts'
import type { TokenLogprob } from './logprobs.ts'
import { type Plan, planChat, planCompletion } from './plan-choices.ts'

export async function answerChat(loaded: LoadedModel, body: Body, exchange: Exchange): Promise<void> {
  const plan = await planChat(loaded, body, exchange.requestId)
  await answer(
    loaded,
    plan,
    chatFormat({ ...exchange, id: `chatcmpl-${exchange.requestId}`, model: loaded.id }),
    body,
    exchange,
  )
}

export async function answerCompletion(loaded: LoadedModel, body: Body, exchange: Exchange): Promise<void> {
  const plan = await planCompletion(loaded, body, exchange.requestId)
  await answer(
    loaded,
    plan,
    completionFormat({ ...exchange, id: `cmpl-${exchange.requestId}`, model: loaded.id }),
    body,
    exchange,
  )
}

async function answer(
  loaded: LoadedModel,
  plan: Plan,
  format: AnswerFormat,
  body: Body,
  exchange: Exchange,
): Promise<void> {
  const includeUsage = objectField(body, 'stream_options')?.include_usage === true
  if (flagField(body, 'stream')) await streamed(loaded, plan, format, { ...exchange, includeUsage })
  else await whole(loaded, plan, format, exchange)
}

async function whole(
  loaded: LoadedModel,
  plan: Plan,
  format: AnswerFormat,
  { response, signal }: Exchange,
): Promise<void> {
  const finished = plan.choices.map((choice) => ({ choice, text: '', logprobs: [] as TokenLogprob[] }))
  const ends = await allChoices(loaded, plan, signal, (choice, text, tokens) => {
    const target = finished[choice.index]
    if (target === undefined) return undefined
    target.text += text
    target.logprobs.push(...tokens)
    return undefined
  })
  const choices = finished.map(
    ({ choice, text, logprobs }): FinishedChoice => ({
      index: choice.index,
      text,
      finishReason: ends[choice.index]?.finishReason ?? 'stop',
      logprobs: choice.logprobs === undefined ? undefined : logprobs,
    }),
  )
  sendJson(response, 200, format.whole(choices, usageOf(plan, ends)))
}

async function streamed(
  loaded: LoadedModel,
  plan: Plan,
  format: AnswerFormat,
  { response, signal, includeUsage }: Exchange & { readonly includeUsage: boolean },
): Promise<void> {
  const events = new EventStream(response)
  const offsets = plan.choices.map(() => -1)
  const open = ({ index }: ChoicePlan): number => {
    const offset = offsets[index] ?? -1
    if (offset >= 0) return offset
    const opening = format.opening(index)
    if (opening !== undefined) events.push(opening)
    return 0
  }
  try {
    const ends = await allChoices(
      loaded,
      plan,
      signal,
      (choice, text, tokens) => {
        const offset = open(choice)
        offsets[choice.index] = offset + text.length
        return events.pushText(choice.index, text, tokens, (all, allTokens) =>
          format.chunk({
            index: choice.index,
            text: all,
            offset,
            logprobs: choice.logprobs === undefined ? undefined : allTokens,
          }),
        )
      },
      (choice, end) => {
        open(choice)
        events.push(format.closing(choice.index, end.finishReason))
      },
    )
    if (includeUsage) events.push(format.usage(usageOf(plan, ends)))
    events.done()
  } catch (error) {
    if (!events.begun || signal.aborted) throw error
    // The status is out: the error travels as the last event, and no [DONE] follows.
    events.push(errorBody(heddleErrorOf(error)))
    events.end()
  }
}

type Push = (choice: ChoicePlan, text: string, tokens: readonly TokenLogprob[]) => Promise<void> | undefined

/** Runs all choices; when one fails, the others stop and the failure is thrown once they have. */
async function allChoices(
  loaded: LoadedModel,
  { choices }: Plan,
  signal: AbortSignal,
  push: Push,
  onEnd: (choice: ChoicePlan, end: ChoiceEnd) => void = () => {},
): Promise<readonly ChoiceEnd[]> {
  const { library, model } = loaded
  const deps = { library, model, generation: await loaded.generation() }
  const failure = new AbortController()
  const either = choices.length === 1 ? signal : AbortSignal.any([signal, failure.signal])
  const ends: ChoiceEnd[] = []
  const rest = choices.values()
  const work = async (): Promise<void> => {
    for (const choice of rest) {
      if (either.aborted) return
      try {
        const end = await generateChoice(
          deps,
          choice,
          { push: (text, tokens) => push(choice, text, tokens) },
          { signal: either },
        )
        ends[choice.index] = end
        onEnd(choice, end)
      } catch (error) {
        failure.abort(error)
      }
    }
  }
  // No more at once than there are sequences, so that other requests get their turn between the choices of this one.
  await Promise.all(Array.from({ length: Math.min(choices.length, deps.generation.slots.total) }, work))
  signal.throwIfAborted()
  if (failure.signal.aborted) throw heddleErrorOf(failure.signal.reason)
  return ends
}

function usageOf({ promptTokens, perPrompt }: Plan, ends: readonly ChoiceEnd[]): Usage {
  return {
    promptTokens,
    completionTokens: ends.reduce((sum, { completionTokens }) => sum + completionTokens, 0),
    // Further choices of a prompt find it in the cache because of the first, so they say nothing.
    cachedTokens: ends.reduce(
      (sum, { cachedTokens }, index) => (index % perPrompt === 0 ? sum + cachedTokens : sum),
      0,
    ),
  }
}
