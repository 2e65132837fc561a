/** The `key=value` groups by which others choose a provider of the `llm` service: one `model=<id>` for each model on offer. */
import type { ModelOffer } from './candidate.ts'

/** The groups of these offers, sorted and without repetition. */
export function identityGroupsOf(offers: readonly Pick<ModelOffer, 'id'>[]): readonly string[] {
  return [...new Set(offers.map(({ id }) => `model=${id}`))].toSorted()
}

/** The model that a group names; undefined where it is a group of another key. */
export function modelOfGroup(group: string): string | undefined {
  const model = group.startsWith('model=') ? group.slice('model='.length) : ''
  return model === '' ? undefined : model
}
