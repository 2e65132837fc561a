/** One streamed chat answer from a real model: its text and how it ended. */
import { Agent, request } from 'node:http'

export interface ChatAnswer {
  readonly text: string
  readonly finishReason: string
  readonly completionTokens: number
}

interface Chunk {
  readonly choices?: readonly {
    readonly delta?: { readonly content?: string | null }
    readonly finish_reason?: string | null
  }[]
  readonly usage?: { readonly completion_tokens: number } | null
  readonly error?: { readonly message?: string }
}

/** Connections are kept: opening them is no part of what is measured. */
export function keptConnections(): Agent {
  return new Agent({ keepAlive: true })
}

export interface ChatCall {
  readonly agent: Agent
  readonly port: number
  readonly key: string
  readonly body: string
}

/** Reads one stream to its end; rejects when it breaks, reports an error, or lacks a finish, its usage or `[DONE]`. */
export function streamChat(
  { agent, port, key, body }: ChatCall,
  { signal }: { readonly signal: AbortSignal },
): Promise<ChatAnswer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': 'application/json',
      authorization: `Bearer ${key}`,
      'content-length': Buffer.byteLength(body),
    }
    const call = request({
      agent,
      host: '127.0.0.1',
      port,
      path: '/v1/chat/completions',
      method: 'POST',
      headers,
      signal,
    })
    call.on('error', reject)
    call.on('response', (response) => {
      const reading = new ChatReading()
      response.setEncoding('utf8')
      response.on('error', reject)
      response.on('data', (text: string) => reading.push(text))
      response.on('end', () => {
        try {
          if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`)
          resolve(reading.finish())
        } catch (error) {
          reject(error)
        }
      })
    })
    call.end(body)
  })
}

class ChatReading {
  #rest = ''
  #text = ''
  #finishReason = ''
  #completionTokens = 0
  #isDone = false

  push(input: string): void {
    const events = (this.#rest + input).split('\n\n')
    this.#rest = events.pop() ?? ''
    for (const event of events) if (event.startsWith('data: ')) this.#event(event.slice(6))
  }

  finish(): ChatAnswer {
    if (this.#finishReason === '' || this.#completionTokens === 0 || !this.#isDone || this.#rest !== '') {
      throw new Error('the stream ended without a finish reason, its usage or [DONE]')
    }
    return { text: this.#text, finishReason: this.#finishReason, completionTokens: this.#completionTokens }
  }

  #event(data: string): void {
    if (data === '[DONE]') {
      this.#isDone = true
      return
    }
    const chunk = JSON.parse(data) as Chunk
    if (chunk.error !== undefined) this.#finishReason = ''
    const [choice] = chunk.choices ?? []
    this.#text += choice?.delta?.content ?? ''
    this.#finishReason = choice?.finish_reason ?? this.#finishReason
    this.#completionTokens = chunk.usage?.completion_tokens ?? this.#completionTokens
  }
}
