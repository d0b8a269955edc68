/** One way a server offers to be convinced. Scheme and parameter names are lower case. */
export interface Challenge {
  readonly scheme: string
  readonly parameters: ReadonlyMap<string, string>
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const schemeStart = new RegExp(`^(${token})(?: +|(?=[ \\t]*,)|$)`)
const separators = /^[ \t]*(?:,[ \t]*)*/ // empty elements of a list mean nothing
const parameter = new RegExp(`^(${token})[ \\t]*=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${token}))`)
const token68 = /^[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/

/**
 * Reads WWW-Authenticate: several challenges in one line or several, quoted commas, token68. Stops at what it cannot read
 * and returns what stood before.
 *
 * @see RFC 9110 §11.6.1
 */
export function parseChallenges(fields: readonly string[]): readonly Challenge[] {
  return fields.flatMap(parseField)
}

function parseField(field: string): Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = []
  let rest = field.replace(separators, '')
  while (rest !== '') {
    const found = parameter.exec(rest)
    const current = challenges.at(-1)
    if (found && current) {
      const [whole, name = '', quoted, plain] = found
      current.parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '')
      rest = rest.slice(whole.length)
    } else {
      const scheme = schemeStart.exec(rest)
      if (!scheme) break
      challenges.push({ scheme: scheme[1]!.toLowerCase(), parameters: new Map() })
      rest = rest.slice(scheme[0].length)
      if (!parameter.test(rest)) rest = rest.replace(token68, '')
    }
    rest = rest.replace(separators, '')
  }
  return challenges
}
