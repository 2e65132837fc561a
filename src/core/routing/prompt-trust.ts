/** How far a prompt may travel: to the machines of one's own account, to the members of one's network, or to anybody. */

/** From the narrowest to the widest. */
export const PROMPT_TRUST = ['self', 'network', 'any'] as const
export type PromptTrust = (typeof PROMPT_TRUST)[number]

/** The scope of keys and callers that say nothing else: a network serves its members. */
export const DEFAULT_PROMPT_TRUST: PromptTrust = 'network'

export function parsePromptTrust(text: string): PromptTrust | undefined {
  return PROMPT_TRUST.find((scope) => scope === text)
}

/** Whether a node of which `trust` is the narrowest scope that holds it may read a prompt of `scope`. */
export function isWithinTrust(trust: PromptTrust, scope: PromptTrust): boolean {
  return PROMPT_TRUST.indexOf(trust) <= PROMPT_TRUST.indexOf(scope)
}
