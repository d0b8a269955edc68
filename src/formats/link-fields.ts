/** One link of a Link field. */
export interface Link {
  readonly target: string // as it stands there, perhaps relative
  readonly parameters: ReadonlyMap<string, string> // names in lower case
}

/**
 * Reads the links of one line; what cannot be read is passed over. Each character is looked at a few times at most.
 *
 * @see RFC 8288 §3
 */
export function parseLinkField(field: string): readonly Link[] {
  const links: Link[] = []
  for (let at = field.indexOf('<'); at >= 0; at = field.indexOf('<', at)) {
    targetPattern.lastIndex = at
    const target = targetPattern.exec(field)
    if (target === null) {
      at += 1
      continue
    }
    const parameters = new Map<string, string>()
    at = readParameters(field, targetPattern.lastIndex, parameters)
    links.push({ target: target[1]!.trim(), parameters })
  }
  return links
}

const targetPattern = /<([^<>]*)>/y
const parameterPattern = /[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]*)))?)?/y

/** Reads `; name=value` from `at` on; of a repeated name the first counts. Returns where it ended. */
function readParameters(field: string, at: number, into: Map<string, string>): number {
  let end = at
  for (;;) {
    parameterPattern.lastIndex = end
    const found = parameterPattern.exec(field)
    if (found === null) return end
    end = parameterPattern.lastIndex
    const [, name, quoted, bare] = found
    const key = name?.toLowerCase()
    if (key !== undefined && !into.has(key)) into.set(key, quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '')
  }
}
