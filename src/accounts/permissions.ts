/** What a key may do. */
import type { ApiKey, Scope } from '../ports/key-store.ts'

/** `admin` may also read; it does not include inference. */
export function hasScope({ scopes }: Pick<ApiKey, 'scopes'>, scope: Scope): boolean {
  return scopes.includes(scope) || (scope === 'read' && scopes.includes('admin'))
}

/** Whether one of the key's patterns is this model, or ends in `*` and begins it; no patterns allow every model. */
export function allowsModel({ models }: Pick<ApiKey, 'models'>, model: string): boolean {
  if (models.length === 0) return true
  return models.some((pattern) => (pattern.endsWith('*') ? model.startsWith(pattern.slice(0, -1)) : pattern === model))
}
