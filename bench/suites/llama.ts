/** `npm run bench -- llama`: tokens per second of the embedded model through the whole HTTP path against the same engine in process. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { keptConnections, streamChat } from '../load/chat-client.ts'
import { interleave, medianOf } from '../measure/statistics.ts'
import { chatMl, InProcessEngine } from '../peers/engine.ts'
import { type HeddleNode, offeredModels, startHeddle } from '../peers/heddle.ts'
import { tableOf } from '../report/table.ts'
import { verdictOf } from '../report/verdict.ts'
import type { BenchContext, Suite } from './context.ts'

const PARALLEL = 4
const MAX_TOKENS = 200
const CONTEXT_TOKENS = 512
const PASSES = 3
const LEAST_SHARE = 0.9
const SYSTEM = 'You are a helpful assistant.'
/** Questions with long answers: short ones would measure how requests begin. */
const TOPICS = [
  'fox',
  'boat',
  'king',
  'bird',
  'tree',
  'robot',
  'cat',
  'river',
  'star',
  'baker',
  'horse',
  'lamp',
  'girl',
  'bear',
  'house',
  'fish',
]
const QUESTIONS = TOPICS.map((topic) => `Tell me a story about a ${topic}.`)

interface Answer {
  readonly text: string
  readonly tokens: number
}

interface Round {
  readonly seconds: number
  readonly answers: ReadonlyMap<string, Answer>
}

/** Answers all questions `PASSES` times with `PARALLEL` streams at once; a stream takes the next question when it is free. */
async function answerAll(ask: (question: string, stream: number) => Promise<Answer>): Promise<Round> {
  const queue = Array.from({ length: PASSES }, () => QUESTIONS).flat()
  const answers = new Map<string, Answer>()
  const beganAt = performance.now()
  const work = async (_: unknown, stream: number): Promise<void> => {
    for (let question = queue.shift(); question !== undefined; question = queue.shift()) {
      answers.set(question, await ask(question, stream))
    }
  }
  await Promise.all(Array.from({ length: PARALLEL }, work))
  return { seconds: (performance.now() - beganAt) / 1000, answers }
}

/** Both must have done the same work, or their speeds say nothing. */
function compareTexts(direct: Round, http: Round): number {
  for (const [question, { text }] of direct.answers) {
    const other = http.answers.get(question)?.text
    if (other?.trim() !== text.trim())
      throw new Error(`"${question}" was answered differently over HTTP: "${other}" instead of "${text}"`)
  }
  return [...direct.answers.values()].reduce((sum, answer) => sum + answer.tokens, 0) * PASSES
}

function modelFile(root: string): string {
  const file = readdirSync(join(root, 'models')).find((name) => name.endsWith('.gguf'))
  if (file === undefined) throw new Error('there is no embedded model under models/')
  return join(root, 'models', file)
}

function httpAsker(node: HeddleNode, model: string, signal: AbortSignal): (question: string) => Promise<Answer> {
  const agent = keptConnections()
  return async (question) => {
    const messages = [
      { role: 'system', content: SYSTEM },
      { role: 'user', content: question },
    ]
    const body = JSON.stringify({
      model,
      messages,
      temperature: 0,
      max_tokens: MAX_TOKENS,
      stream: true,
      stream_options: { include_usage: true },
    })
    const answer = await streamChat({ agent, port: node.port, key: node.key, body }, { signal })
    return { text: answer.text, tokens: answer.completionTokens }
  }
}

export const llamaSuite: Suite = async (context: BenchContext, { rounds, signal }) => {
  const node = await startHeddle(context, { name: 'heddle-llama', runtimes: 'llama', models: [], signal })
  await using engine = await InProcessEngine.open({
    modelPath: modelFile(context.root),
    sequences: PARALLEL,
    contextTokens: CONTEXT_TOKENS,
    threads: 0,
  })
  const [model, ...others] = await offeredModels(node, signal)
  if (model === undefined || others.length > 0)
    throw new Error(`one embedded model was expected, not ${others.length + 1}`)
  const http = httpAsker(node, model, signal)
  const ask = {
    'in process': (question: string, stream: number) => engine.complete(stream, chatMl(SYSTEM, question), MAX_TOKENS),
    'through HTTP': (question: string) => http(question),
  }
  const measured = await interleave(
    Object.keys(ask),
    (name, round) => {
      context.say(`llama, ${round === 0 ? 'warm-up' : `round ${round} of ${rounds}`}: ${name}`)
      return answerAll(ask[name as keyof typeof ask])
    },
    { rounds, signal },
  )
  const speeds = new Map([...measured].map(([name, all]) => [name, all.map(({ seconds }) => seconds)]))
  const direct = measured.get('in process') ?? []
  const tokens =
    direct.map((round, index) => compareTexts(round, measured.get('through HTTP')?.[index] as Round))[0] ?? 0
  const rate = (name: string): number => tokens / medianOf(speeds.get(name) ?? [])
  const share = rate('through HTTP') / rate('in process')
  context.print(
    tableOf(
      ['path', 'tokens', 'tokens/s', 'each round tokens/s', '× in process'],
      [...speeds].map(([name, seconds]) => [
        name,
        String(tokens),
        rate(name),
        seconds.map((one) => (tokens / one).toFixed(0)).join(', '),
        rate(name) / rate('in process'),
      ]),
    ),
  )
  return {
    name: 'llama',
    options: { rounds, parallel: PARALLEL, maxTokens: MAX_TOKENS, questions: QUESTIONS.length, passes: PASSES },
    summary: { tokens, inProcessTokensPerSecond: rate('in process'), httpTokensPerSecond: rate('through HTTP'), share },
    rounds: Object.fromEntries(speeds),
    verdicts: [
      verdictOf({
        what: `llama through HTTP, ${PARALLEL} parallel streams`,
        measured: share,
        atLeast: LEAST_SHARE,
        unit: ' × in process',
      }),
    ],
  }
}
