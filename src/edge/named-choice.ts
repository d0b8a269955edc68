import { Fault } from '../model/fault.ts'
import { type ImageReference, parseImageName, parseImagePointer, type UpstreamId } from '../model/reference.ts'

export type NamedKind = 'library' | 'shub' | 'static' | 'files'

/** The upstream of that kind and name; without a name, the one that is meant then. @throws Fault 'upstream-unknown' */
export type NamedChoice = (kind: NamedKind, name: string | undefined) => UpstreamId

export function createNamedChoice(
  upstreams: readonly { readonly id: UpstreamId; readonly kind: string }[],
  defaults: { readonly [kind in NamedKind]?: UpstreamId | undefined },
): NamedChoice {
  return (kind, name) => {
    const wanted = name ?? defaults[kind]
    const found = upstreams.find((one) => one.kind === kind && one.id === wanted)
    if (!found) throw new Fault('upstream-unknown', { name: (wanted ?? `(no default ${kind})`).slice(0, 100) })
    return found.id
  }
}

/**
 * Reads `<upstream>/<name>:<tag>[?arch=…]` where the upstream gives images that are one file; undefined where it is another.
 *
 * @throws Fault 'name-invalid', 'tag-invalid'
 */
export function parseWholeImage(
  text: string,
  upstreams: readonly { readonly id: UpstreamId; readonly kind: string }[],
): ImageReference | undefined {
  const slash = text.indexOf('/')
  const found = upstreams.find(({ id, kind }) => id === text.slice(0, slash) && ['library', 'shub', 'static'].includes(kind))
  if (!found) return undefined
  const colon = text.indexOf(':', slash)
  const [name, pointer] = colon < 0 ? [text.slice(slash + 1), 'latest'] : [text.slice(slash + 1, colon), text.slice(colon + 1)]
  return { kind: 'image', upstream: found.id, name: parseImageName(name), pointer: parseImagePointer(pointer), arch: undefined }
}
