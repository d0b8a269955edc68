import type { FieldOptions } from './artifact-fields.ts'

const combinationsKept = 1000

/** The few combinations there are as shared values, so that printed fields can be found again by them. */
export function createFieldOptions() {
  const known = new Map<string, FieldOptions>()
  return (options: FieldOptions): FieldOptions => {
    const { isNamedByDigest, isPublic, namespace, own } = options
    const key = `${isNamedByDigest} ${isPublic} ${namespace ?? ''} ${own ?? ''}`
    const found = known.get(key)
    if (found) return found
    // Names found in the settings, in several spellings: few, unless somebody plays.
    if (known.size < combinationsKept) known.set(key, options)
    return options
  }
}
