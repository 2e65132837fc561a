/** The first words of `heddle serve`. */
import { ownVersion } from './own-version.ts'
import { printable } from './terminal.ts'

export interface Welcome {
  readonly url: string
  readonly keyFile: string
  readonly models: readonly string[]
  readonly demoOnly: boolean
  readonly authRequired: boolean
}

const SHOWN_MODELS = 5

/** What a newcomer needs to see: where it is, how to get in, and a line that works when pasted. */
export function welcomeLines({ url, keyFile, models, demoOnly, authRequired }: Welcome): readonly string[] {
  const [model] = models
  const more = models.length - SHOWN_MODELS
  const names = `${models.slice(0, SHOWN_MODELS).map(printable).join(', ')}${more > 0 ? `, and ${more} more` : ''}`
  const lines = [
    '',
    `  heddle ${ownVersion()}`,
    '',
    `  API      ${url}/v1`,
    `  Key      ${authRequired ? `in ${keyFile}` : 'none needed'}`,
    `  Model    ${model === undefined ? 'none is ready yet; why:  heddle status' : names}`,
  ]
  if (demoOnly) {
    lines.push(
      '',
      '  This is a tiny demo model that came along: it shows that everything works, no more. For a real one:',
    )
    lines.push(
      '',
      '      start Ollama, which is found by itself',
      '  or  heddle runtimes add <url>',
      '  or  heddle models pull <url|file>',
    )
  } else if (model === undefined) {
    lines.push(
      '',
      '  To have one:',
      '',
      '      start Ollama, which is found by itself',
      '  or  heddle runtimes add <url>',
      '  or  heddle models pull <url|file>',
    )
  }
  if (model !== undefined)
    lines.push('', '  Try it:', '', ...curlLines({ url, keyFile, model, authRequired }).map((line) => `    ${line}`))
  return [...lines, '', '  Ctrl+C stops it.', '']
}

interface CurlFacts extends Pick<Welcome, 'url' | 'keyFile' | 'authRequired'> {
  readonly model: string
}

/** Works when pasted; the key is read from its file, so that it is on no screen. */
function curlLines({ url, keyFile, model, authRequired }: CurlFacts): readonly string[] {
  const body = { model, messages: [{ role: 'user', content: 'What is the capital of France?' }], temperature: 0 }
  return [
    `curl -s ${url}/v1/chat/completions \\`,
    ...(authRequired ? [`  -H "Authorization: Bearer $(cat '${keyFile.replaceAll("'", `'\\''`)}')" \\`] : []),
    `  -H 'Content-Type: application/json' \\`,
    `  -d '${JSON.stringify(body).replaceAll("'", `'\\''`)}'`,
  ]
}
