import { readFileSync, statSync } from 'node:fs'
import { inspect } from 'node:util'

/** A value that cannot be printed by accident. Read from its file again when that changes. */
export interface Secret {
  /** @throws Error that names the file or variable, never the value */
  read(): string
  toString(): string
  toJSON(): string
}

export function secretFromFile(path: string): Secret {
  let known: { readonly version: number; readonly value: string } | undefined
  return hidden(() => {
    const version = statSync(path).mtimeMs
    if (known?.version !== version) known = { version, value: readFileSync(path, 'utf8').replace(/\r?\n$/, '') }
    return known.value
  })
}

export function secretFromVariable(name: string, env: NodeJS.ProcessEnv): Secret {
  return hidden(() => {
    const value = env[name]
    if (value === undefined) throw new Error(`the environment variable ${name} is not set`)
    return value
  })
}

function hidden(read: () => string): Secret {
  const print = () => '[secret]'
  return Object.freeze({ read, toString: print, toJSON: print, [inspect.custom]: print })
}
