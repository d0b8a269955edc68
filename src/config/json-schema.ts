import { z } from 'zod'
import { schema } from './schema.ts'

/** What may stand in a settings file, as JSON Schema (draft 2020-12) with the meaning of each setting. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
}
