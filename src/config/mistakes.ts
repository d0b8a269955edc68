import { z } from 'zod'
import { isObject } from './objects.ts'
import { schema } from './schema.ts'

/** What is wrong with settings: where, what is there, and what was expected. `raw`: the settings as they were written. */
export function describe(error: z.ZodError, raw: unknown): string[] {
  return error.issues.flatMap((issue) => describeIssue(issue, issue.path.map(String), raw))
}

function describeIssue(issue: z.core.$ZodIssue, at: readonly string[], raw: unknown): string[] {
  // One place or a list of them: what is wrong is told of the one that was written.
  if (issue.code === 'invalid_union' && at[0] === 'listen' && typeof valueBelow(raw, at) === 'object') {
    const below = issue.errors[Array.isArray(valueBelow(raw, at)) ? 1 : 0] ?? []
    if (below.length > 0) return below.flatMap((one) => describeIssue(one, [...at, ...one.path.map(String)], raw))
  }
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => `${[...at, key].join('.')}: there is no such setting${hint(key, at)}`)
  if (issue.code === 'invalid_key') return [`${at.join('.')}: ${issue.issues[0]?.message ?? issue.message}`]
  return [`${at.join('.') || 'the file'}: ${valueAt(raw, at)}${issue.message.replace(/^Invalid (input|option): /, '')}`]
}

function valueBelow(raw: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (isObject(at) || Array.isArray(at) ? (at as Record<string, unknown>)[key] : undefined),
    raw,
  )
}

/** Values are shown so that they can be found, unless they could be secrets. */
function valueAt(raw: unknown, path: readonly string[]): string {
  const value = valueBelow(raw, path)
  if (value === undefined || path.some((key) => /password|passphrase|credentials|secret|token|signing/i.test(key))) return ''
  return typeof value === 'object' ? '' : `${JSON.stringify(value).replace(/\/\/[^/\s]*@/g, '//[secret]@')} is wrong: `
}

function hint(key: string, at: readonly string[]): string {
  const known = keysAt(at)
  const close = known.find((name) => name.toLowerCase() === key.toLowerCase() || isClose(name, key))
  return close ? `; did you mean "${close}"?` : known.length > 0 ? `; there are ${known.join(', ')}` : ''
}

function keysAt(path: readonly string[]): readonly string[] {
  let at: unknown = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  for (const key of path) {
    const node = isObject(at) ? at : {}
    at =
      isObject(node.properties) && Object.hasOwn(node.properties, key)
        ? node.properties[key]
        : (node.additionalProperties ?? node.items)
  }
  return isObject(at) && isObject(at.properties) ? Object.keys(at.properties) : []
}

/** One letter more, less or other. */
function isClose(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false
  let at = 0
  while (at < Math.min(a.length, b.length) && a[at] === b[at]) at++
  return a.slice(at + 1) === b.slice(at + 1) || a.slice(at) === b.slice(at + 1) || a.slice(at + 1) === b.slice(at)
}
