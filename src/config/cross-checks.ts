import { isObject } from './objects.ts'

/** What no single setting shows; also looked for in a file that has other mistakes. */
export function crossCheck(raw: Readonly<Record<string, unknown>>): string[] {
  const upstreams = isObject(raw.upstreams) ? raw.upstreams : {}
  const mistakes: string[] = []
  for (const [kind, name] of Object.entries(isObject(raw.defaults) ? raw.defaults : {})) {
    if (typeof name !== 'string') continue
    const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
    if (!isObject(upstream))
      mistakes.push(`defaults.${kind}: "${name}" is none of the upstreams ${Object.keys(upstreams).join(', ')}`)
    else if (upstream.kind !== kind) mistakes.push(`defaults.${kind}: "${name}" is of kind ${JSON.stringify(upstream.kind)}`)
  }
  mistakes.push(...ruleMistakes(raw.access, upstreams))
  const hosts = new Map<unknown, string>(Object.keys(upstreams).map((name) => [name, name]))
  for (const [name, upstream] of Object.entries(upstreams)) {
    if (isObject(upstream)) mistakes.push(...unfitting(name, upstream))
    for (const host of isObject(upstream) && Array.isArray(upstream.hosts) ? upstream.hosts : []) {
      const other = hosts.get(host)
      if (other !== undefined && other !== name) mistakes.push(`upstreams.${name}.hosts: "${host}" is taken by ${other} already`)
      hosts.set(host, name)
    }
  }
  return mistakes
}

/** A rule about an upstream that is not there would protect nothing. */
function ruleMistakes(access: unknown, upstreams: Readonly<Record<string, unknown>>): string[] {
  const rules = isObject(access) && Array.isArray(access.rules) ? access.rules : []
  return rules.flatMap((rule: unknown, at) => {
    const name = isObject(rule) ? rule.upstream : undefined
    if (typeof name !== 'string' || name === '*') return []
    const upstream = Object.hasOwn(upstreams, name) ? upstreams[name] : undefined
    if (isObject(upstream) && upstream.rights === 'caller')
      return [`access.rules.${at}.upstream: "${name}" says itself who may read what (rights: caller)`]
    if (upstream !== undefined) return []
    return [`access.rules.${at}.upstream: "${name}" is none of the upstreams ${Object.keys(upstreams).join(', ')}`]
  })
}

/** Settings that are for other kinds of upstream would be ignored. */
function unfitting(name: string, upstream: Readonly<Record<string, unknown>>): string[] {
  const { kind } = upstream
  const only = (wanted: string, ...keys: string[]) =>
    keys
      .filter((key) => kind !== wanted && upstream[key] !== undefined)
      .map(
        (key) =>
          `upstreams.${name}.${key}: this is for upstreams of kind ${wanted}, and this one is of kind ${JSON.stringify(kind)}`,
      )
  const mirrors = Array.isArray(upstream.mirrors) ? upstream.mirrors : []
  const layouts: Readonly<Record<string, string>> = { registry: 'oci', files: 'files' }
  return [
    ...(upstream.rights === 'caller' && upstream.credentials !== undefined
      ? [`upstreams.${name}.credentials: with rights: caller it is asked as whoever asks here, and never as somebody else`]
      : []),
    ...only('oci', 'hosts', 'tokenServices', 'pullReserve'),
    ...only('files', 'metalink', 'checksums', 'folders'),
    ...only('library', 'keyserver'),
    ...mirrors.flatMap((mirror, at) => {
      const layout = (isObject(mirror) && (mirror.kind as string)) || 'registry'
      const wanted = layouts[layout]
      return wanted === undefined || wanted === kind
        ? []
        : [`upstreams.${name}.mirrors.${at}.kind: ${layout} is for upstreams of kind ${wanted}; say forebay or tree here`]
    }),
  ]
}
