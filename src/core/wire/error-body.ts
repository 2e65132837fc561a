/** OpenAI's error body, which every answer outside 2xx carries, on `/v1` and on the admin API alike. */
import { z } from 'zod'

/** What went wrong. `metadata.fix` is a literal command or edit that mends it, where there is one. */
export const ErrorObject = z.object({
  message: z.string(),
  type: z.string(),
  param: z.string().nullable(),
  code: z.string().nullable(),
  metadata: z.record(z.string(), z.unknown()).optional(),
})
export type ErrorObject = z.infer<typeof ErrorObject>

export const ErrorBody = z.object({ error: ErrorObject }).meta({ id: 'ErrorBody' })
export type ErrorBody = z.infer<typeof ErrorBody>
