/** Which of the models a newcomer meets first. */
import type { LibraryModel } from './library.ts'

export interface DefaultModel {
  /** What to chat with when nobody names a model: the newest of the user's own, else the demo. */
  readonly model: LibraryModel | undefined
  /** The tiny model that comes with the package. */
  readonly demo: LibraryModel | undefined
  /** Whether there is nothing but the demo: then the node says how to get a real model. */
  readonly isOnlyDemo: boolean
}

export function pickDefault(models: readonly LibraryModel[]): DefaultModel {
  const demo = models.find(({ origin }) => origin === 'embedded')
  const own = models.filter(({ origin }) => origin === 'user')
  const chatting = own.filter(({ summary }) => !summary.isEmbeddingModel)
  const newest = chatting.toSorted((a, b) => b.modifiedAt - a.modifiedAt)[0]
  return { model: newest ?? demo, demo, isOnlyDemo: demo !== undefined && own.length === 0 }
}
