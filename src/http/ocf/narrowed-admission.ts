/** Admission of a request that asks for more trust in its provider than its key does. */
import type { MessageHeaders } from '../../core/message.ts'
import type { Admission, Admitted } from '../../ports/admission.ts'
import { trustOf } from './wish.ts'

/** `admission` itself where the headers ask for none. */
export function narrowedAdmission(admission: Admission, headers: MessageHeaders): Admission {
  if (headers['x-otela-trust'] === undefined) return admission
  return {
    async admit(caller, scope) {
      const admitted = await admission.admit(caller, scope)
      return narrowed(admitted, headers)
    },
  }
}

function narrowed(admitted: Admitted, headers: MessageHeaders): Admitted {
  const { keyId, scopes, limitsModels } = admitted
  return {
    keyId,
    scopes,
    limitsModels,
    headers: admitted.headers,
    promptTrust: trustOf(headers, admitted.promptTrust),
    allowsModel: (model) => admitted.allowsModel(model),
    charge: (tokens) => admitted.charge(tokens),
  }
}
