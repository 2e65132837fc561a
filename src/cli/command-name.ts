/** How a person starts this program: `heddle`, or through npm in a checkout. */

const THROUGH_NPM = 'npm run -s heddle --'

/** `heddle`, or what to type instead where npm started us. */
export function commandName(env: Readonly<Record<string, string | undefined>>): string {
  const script = env['npm_lifecycle_event']
  return env['npm_package_name'] === 'heddle' && (script === 'heddle' || script === 'start') ? THROUGH_NPM : 'heddle'
}

/** `text` with the commands in it as this person types them. */
export function asTyped(text: string, env: Readonly<Record<string, string | undefined>>): string {
  const name = commandName(env)
  return name === 'heddle' ? text : text.replace(/(^|\s{2,}|`|[;:] |&& )heddle (?=[a-z-])/g, `$1${name} `)
}
