type Json = Readonly<Record<string, unknown>>

const fields = {
  document: ['$schema', 'bomFormat', 'specVersion', 'version', 'metadata', 'components', 'dependencies'],
  component: ['type', 'bom-ref', 'name', 'version', 'purl', 'licenses', 'scope', 'hashes'],
  dependency: ['ref', 'dependsOn'],
}
// @see https://spdx.org/licenses/: those that our dependencies have, and a few that others may bring
const licences = new Set([
  ...['0BSD', 'Apache-2.0', 'Artistic-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BSL-1.0', 'BlueOak-1.0.0', 'CC-BY-3.0', 'CC-BY-4.0'],
  ...[
    'CC0-1.0',
    'ISC',
    'LGPL-3.0',
    'LGPL-3.0-only',
    'LGPL-3.0-or-later',
    'MIT',
    'MIT-0',
    'MPL-2.0',
    'Python-2.0',
    'Unlicense',
    'Zlib',
  ],
])
const exceptions = new Set(['Classpath-exception-2.0', 'LLVM-exception'])

/**
 * What is wrong with a document of the kind that we write: it may have no more than what we know of the format.
 *
 * @see CycloneDX 1.5 JSON schema; purl-spec, "npm"; SPDX specification, annex "SPDX license expressions"
 */
export function mistakesInCycloneDx(given: unknown): readonly string[] {
  const mistakes: string[] = []
  const demand = (isRight: boolean, what: string) => void (isRight || mistakes.push(what))
  const only = (one: Json, known: readonly string[], of: string) =>
    demand(
      Object.keys(one).every((name) => known.includes(name)),
      `${of} has fields that are none of the format: ${Object.keys(one)}`,
    )

  const document = given as Json
  only(document, fields.document, 'the document')
  demand(document.$schema === 'http://cyclonedx.org/schema/bom-1.5.schema.json', '$schema')
  demand(document.bomFormat === 'CycloneDX' && document.specVersion === '1.5', 'bomFormat and specVersion')
  demand(Number.isInteger(document.version) && (document.version as number) >= 1, 'version')

  const { component: root } = document.metadata as { component: Json }
  const components = document.components as readonly Json[]
  for (const one of [root, ...components]) {
    const of = String(one['bom-ref'] ?? one.name)
    only(one, fields.component, of)
    demand(['application', 'library'].includes(String(one.type)), `the type of ${of}`)
    for (const name of ['name', 'version', 'bom-ref', 'purl']) demand(isText(one[name]), `the ${name} of ${of}`)
    demand(one.purl === purlOf(one), `the purl of ${of}: ${one.purl}`)
    demand(one.scope === undefined || ['required', 'optional'].includes(String(one.scope)), `the scope of ${of}`)
    for (const { alg, content } of (one.hashes ?? []) as readonly Json[])
      demand(alg === 'SHA-512' && /^[0-9a-f]{128}$/.test(String(content)), `a hash of ${of}`)
    for (const choice of one.licenses as readonly Json[])
      demand(isLicence(choice), `a licence of ${of}: ${JSON.stringify(choice)}`)
  }

  const refs = [root, ...components].map((one) => String(one['bom-ref']))
  demand(new Set(refs).size === refs.length, 'a bom-ref is there twice')
  const graph = document.dependencies as readonly Json[]
  for (const one of graph) only(one, fields.dependency, 'a dependency')
  demand(
    isSame(
      refs,
      graph.map(({ ref }) => String(ref)),
    ),
    'the graph is not of what there is',
  )
  const known = new Map(graph.map(({ ref, dependsOn }) => [String(ref), dependsOn as readonly string[]]))
  for (const [ref, to] of known) {
    demand(new Set(to).size === to.length, `${ref} depends on one twice`)
    for (const other of to) demand(refs.includes(other), `${ref} depends on ${other}, which there is not`)
  }
  demand(isSame(refs, [...reached(refs[0]!, known)]), 'there is something that nobody needs')
  return mistakes
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return JSON.stringify([...some].sort()) === JSON.stringify([...others].sort())
}

/** `pkg:npm/%40scope/name@version` */
function purlOf({ name, version }: Json): string {
  const [scope, own] = /^@([^/]+)\/([^/]+)$/.exec(String(name))?.slice(1) ?? [undefined, String(name)]
  return `pkg:npm/${scope === undefined ? '' : `%40${scope}/`}${own}@${encodeURIComponent(String(version))}`
}

function isLicence({ license, expression, ...more }: Json): boolean {
  if (Object.keys(more).length > 0 || (license === undefined) === (expression === undefined)) return false
  if (expression !== undefined) return isExpression(String(expression))
  const { id, name, ...rest } = license as Json
  if (Object.keys(rest).length > 0 || (id === undefined) === (name === undefined)) return false
  return id === undefined ? isText(name) : licences.has(String(id))
}

/** One licence, or several of them joined by AND, OR and WITH, in parentheses or not. */
function isExpression(text: string): boolean {
  const words = text.replaceAll(/[()]/g, ' $& ').split(' ').filter(Boolean)
  let at = 0

  function one(): boolean {
    if (words[at] === '(') {
      at++
      return several() && words[at++] === ')'
    }
    if (!licences.has((words[at++] ?? '').replace(/\+$/, ''))) return false
    if (words[at] !== 'WITH') return true
    at++
    return exceptions.has(words[at++] ?? '')
  }

  function several(): boolean {
    if (!one()) return false
    while (words[at] === 'AND' || words[at] === 'OR') {
      at++
      if (!one()) return false
    }
    return true
  }

  return several() && at === words.length
}

function reached(first: string, known: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const all = new Set<string>()
  const waiting = [first]
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    if (all.has(one)) continue
    all.add(one)
    waiting.push(...(known.get(one) ?? []))
  }
  return all
}
