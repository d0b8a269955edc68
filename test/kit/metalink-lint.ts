import { Parser } from 'xml2js'

const namespace = 'urn:ietf:params:xml:ns:metalink'
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
const patterns = {
  generator: new RegExp(`^${token}(/${token})?$`),
  date: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/,
  name: /^[A-Za-z0-9][A-Za-z0-9._+-]*(\/[A-Za-z0-9][A-Za-z0-9._+-]*)*$/,
  sha256: /^[0-9a-f]{64}$/,
  sha512: /^[0-9a-f]{128}$/,
}

export interface LintOptions {
  /** What every file must also be offered under: the beginning of our own URLs. */
  readonly own: string
  /** Beginnings of `file:` URLs that the site lists. */
  readonly trees?: readonly string[]
}

interface Node {
  readonly name: string
  readonly namespace: string
  readonly attributes: Readonly<Record<string, string>>
  readonly text: string
  readonly children: readonly Node[]
}

/**
 * What is wrong with a metalink that we wrote: what the schema lets through and clients stumble over. Reads the text on its
 * own, not with the code that it judges. Nothing is wrong when the list is empty.
 */
export function lintMetalink(text: string, options: LintOptions): string[] {
  const mistakes: string[] = []
  const must = (holds: boolean, mistake: string) => {
    if (!holds) mistakes.push(mistake)
  }
  must(text.startsWith('<?xml version="1.0" encoding="UTF-8"?>\n'), 'the XML declaration is another')
  must(!text.slice(5).includes('<?') && !text.includes('<!'), 'a DOCTYPE, comment, CDATA or processing instruction')
  must(text.includes(`\n<metalink xmlns="${namespace}">`), 'the root does not have the default namespace and nothing else')
  const root = parse(text)
  must(root.name === 'metalink' && root.namespace === namespace, 'the root is another')
  for (const node of walk(root)) {
    must(node.namespace === namespace, `<${node.name}> is foreign`)
    must(node.children.length > 0 || node.text === node.text.trim(), `blanks around the text of <${node.name}>`)
    must(node.children.length > 0 || node.text !== '', `<${node.name}> is empty`)
  }
  must(patterns.generator.test(one(root, 'generator')), 'the generator is not token/token')
  must(patterns.date.test(one(root, 'published')), 'published is no date with T and Z')
  must(patterns.date.test(one(root, 'updated')), 'updated is no date with T and Z')
  must(one(root, 'origin').startsWith(options.own), 'the origin is not ours')
  must(all(root, 'origin')[0]?.attributes.dynamic === 'true', 'the origin is not dynamic')
  const files = all(root, 'file')
  must(files.length > 0, 'no file')
  must(new Set(files.map((file) => file.attributes.name)).size === files.length, 'two files of one name')
  for (const file of files) {
    const found = [...lintFile(file), ...lintUrls(file, options)]
    mistakes.push(...found.map((mistake) => `${file.attributes.name}: ${mistake}`))
  }
  return mistakes
}

function lintFile(file: Node): string[] {
  const mistakes: string[] = []
  const must = (holds: boolean, mistake: string) => {
    if (!holds) mistakes.push(mistake)
  }
  const name = file.attributes.name ?? ''
  must(patterns.name.test(name) && name.split('/').every((part) => part.length <= 255), 'the name is not plain')
  must(/^\d+$/.test(one(file, 'size')), 'no size')
  const [first, second, ...more] = all(file, 'hash')
  must(first?.attributes.type === 'sha-256' && patterns.sha256.test(first.text), 'the first hash is no sha-256')
  must(
    second === undefined || (second.attributes.type === 'sha-512' && patterns.sha512.test(second.text)),
    'the second hash is no sha-512',
  )
  must(more.length === 0, 'too many hashes')
  must(all(file, 'pieces').length <= 1, 'several sets of pieces')
  for (const pieces of all(file, 'pieces')) {
    const length = Number(pieces.attributes.length)
    must(pieces.attributes.type === 'sha-256' && length > 0 && length < 2 ** 31, 'pieces of another type or length')
    must(pieces.children.length === Math.ceil(Number(one(file, 'size')) / length), 'the pieces do not cover the file')
    for (const piece of pieces.children)
      must(piece.name === 'hash' && !('type' in piece.attributes) && patterns.sha256.test(piece.text), 'an odd piece')
  }
  for (const unwanted of ['metaurl', 'publisher', 'logo', 'language', 'os'])
    must(all(file, unwanted).length === 0, `<${unwanted}> is of no use`)
  must(all(file, 'signature').length <= 1, 'several signatures')
  return mistakes
}

function lintUrls(file: Node, { own, trees = [] }: LintOptions): string[] {
  const mistakes: string[] = []
  const must = (holds: boolean, mistake: string) => {
    if (!holds) mistakes.push(mistake)
  }
  const urls = all(file, 'url')
  must(
    urls.some(({ text }) => text.startsWith(own)),
    'our own URL is missing',
  )
  must(new Set(urls.map(({ text }) => text)).size === urls.length, 'a URL twice')
  for (const [index, { text, attributes }] of urls.entries()) {
    const url = URL.parse(text)
    const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
    must(isHttp || trees.some((tree) => text.startsWith(tree)), `${text} is neither absolute http(s) nor a listed tree`)
    must(!url?.username && !url?.password && !url?.hash, `${text} has a user, password or fragment`)
    must(!/\s/.test(text), `${text} has blanks`)
    must(attributes.priority === String(index + 1), `priority ${attributes.priority} at place ${index + 1}`)
    must(/^([a-z]{2})?$/.test(attributes.location ?? ''), `the location ${attributes.location}`)
  }
  return mistakes
}

function* walk(node: Node): Generator<Node> {
  yield node
  for (const child of node.children) yield* walk(child)
}

function all(node: Node, name: string): Node[] {
  return node.children.filter((child) => child.name === name)
}

/** The text of the only child of that name; empty if there is none or are several. */
function one(node: Node, name: string): string {
  const [only, ...more] = all(node, name)
  return more.length === 0 ? (only?.text ?? '') : ''
}

type Raw = {
  readonly $?: Readonly<Record<string, { readonly value: string }>>
  readonly $ns: { readonly uri: string; readonly local: string }
  readonly $$?: readonly Raw[]
  readonly _?: string
}

function parse(text: string): Node {
  let root: Node | undefined
  const parser = new Parser({ xmlns: true, explicitRoot: false, explicitChildren: true, preserveChildrenOrder: true })
  parser.parseString(text, (error, result: Raw) => {
    if (error) throw error
    root = nodeOf(result)
  })
  if (root === undefined) throw new Error('the document is empty')
  return root
}

function nodeOf({ $ = {}, $ns, $$ = [], _ = '' }: Raw): Node {
  return {
    name: $ns.local,
    namespace: $ns.uri,
    attributes: Object.fromEntries(Object.entries($).map(([name, { value }]) => [name, value])),
    text: _,
    children: $$.map(nodeOf),
  }
}
