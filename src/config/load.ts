import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { parseDocument } from 'yaml'
import { Fault } from '../model/fault.ts'
import { complete } from './complete.ts'
import type { Config, Origin } from './config.ts'
import { crossCheck } from './cross-checks.ts'
import { doorMistakes } from './doors.ts'
import { describeUnknown, readEnvironment } from './environment.ts'
import { describe } from './mistakes.ts'
import { isObject } from './objects.ts'
import { schema } from './schema.ts'

/**
 * Reads settings from a file and the environment, which wins. Relative paths in the file are relative to it.
 *
 * @throws Fault 'config-invalid' with every mistake: path, what is there, what was expected
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv, options: Partial<Origin> = {}): Config {
  const mistakes: string[] = []
  const { settings, unknown } = readEnvironment(env, mistakes)
  const { text = readText(file), relativeTo = dirname(resolve(file)) } = options
  const written = readYaml(file, text)
  if (Array.isArray(written.listen) && settings.listen !== undefined)
    mistakes.push(`FOREBAY_LISTEN_…: ${file} has a list of places to listen on, and which of them is meant cannot be said`)
  const raw = merge(written, settings) as Record<string, unknown>
  const secrets = secretVariables(raw)
  mistakes.push(...unknown.filter((name) => !secrets.has(name)).map(describeUnknown))
  const parsed = schema.safeParse(raw)
  if (!parsed.success) mistakes.push(...describe(parsed.error, raw))
  mistakes.push(...crossCheck(raw), ...doorMistakes(raw))
  if (!parsed.success || mistakes.length > 0) throw new Fault('config-invalid', { file, mistakes })
  return complete(file, parsed.data, env, { text, relativeTo })
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Fault('config-invalid', { file, mistakes: [`cannot be read: ${(error as NodeJS.ErrnoException).code}`] })
  }
}

function readYaml(file: string, text: string): Record<string, unknown> {
  const invalid = (...mistakes: string[]) => new Fault('config-invalid', { file, mistakes })
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  if (document.errors.length > 0)
    throw invalid(...document.errors.map((error) => error.message.split('\n')[0]!.replace(/:$/, '')))
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch (error) {
    throw invalid((error as Error).message) // aliases of aliases of aliases
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw invalid('expected sections such as "upstreams:"')
  return value as Record<string, unknown>
}

/** Variables that secrets are read from: they may be called FOREBAY_… too. */
function secretVariables(raw: unknown): ReadonlySet<unknown> {
  if (!isObject(raw)) return new Set()
  return new Set(Object.entries(raw).flatMap(([key, value]) => (key === 'env' ? [value] : [...secretVariables(value)])))
}

/** Objects are merged, anything else is replaced. */
function merge(below: unknown, above: unknown): unknown {
  if (above === undefined) return below
  if (!isObject(below) || !isObject(above)) return above
  const keys = new Set([...Object.keys(below), ...Object.keys(above)])
  return Object.fromEntries([...keys].map((key) => [key, merge(below[key], above[key])]))
}
