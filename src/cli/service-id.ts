/** Services as people name them: `whisper`, or `whisper/second` where there are several. */

export interface ServiceId {
  readonly name: string
  readonly instance: string | undefined
}

export function parseServiceId(text: string): ServiceId {
  const slash = text.indexOf('/')
  if (slash < 0) return { name: text, instance: undefined }
  return { name: text.slice(0, slash), instance: text.slice(slash + 1) }
}
