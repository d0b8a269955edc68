import { decodeOnce } from '../formats/percent.ts'

export interface LibraryTarget {
  /** The name of an upstream, as a base URL with a path has it. */
  readonly upstream: string | undefined
  /** What of the API is asked for, without a slash at its front. */
  readonly path: string
}

const shape = /^\/+(?:library\/+([^/]+)(?:\/+|$))?(.*)$/s

/** Takes `/library/<upstream>/` off the path. Clients may put two slashes behind a base URL. */
export function parseLibraryTarget(path: string): LibraryTarget {
  const [, name, rest = ''] = shape.exec(path) ?? []
  return { upstream: name === undefined ? undefined : decodeOnce(name), path: rest }
}
