import { Fault } from '../model/fault.ts'
import { type ImageName, parseImageName, parseTag } from '../model/reference.ts'
import { decodeOnce } from './percent.ts'

/** What a client of a shub registry asks for. */
export interface ShubPath {
  readonly name: ImageName // `collection/name`
  readonly pointer: string // `tag`, or `tag@version`
}

const usualTag = 'latest'
const version = /^(?:[0-9a-f]{32}|[0-9a-f]{40})$/ // an md5 of the image, or a commit of its recipe

/**
 * Reads what stands behind `api/container/`: `<collection>/<name>[:tag][@version]`, raw. A version without a tag is taken for
 * one of `latest`: what a version names does not depend on a tag.
 *
 * @throws Fault 'name-invalid', 'tag-invalid'
 * @see apptainer internal/pkg/client/shub/util.go; its limits for a collection are tighter than those of registries
 */
export function parseShubPath(path: string): ShubPath {
  const parts = path.split('/').filter((part) => part !== '')
  const [, last = '', , tag = usualTag, , versioned] = pieces.exec(decodeOnce(parts.at(-1) ?? '')) ?? []
  const name = [...parts.slice(0, -1).map(decodeOnce), last].join('/')
  if (parts.length !== 2)
    throw new Fault('name-invalid', { text: name.slice(0, 300), why: 'it is not a collection and a name in it' })
  if (versioned !== undefined && !version.test(versioned)) throw new Fault('tag-invalid', { text: versioned.slice(0, 200) })
  return { name: parseImageName(name), pointer: `${parseTag(tag)}${versioned === undefined ? '' : `@${versioned}`}` }
}

const pieces = /^([^:@]*)(:([^@]*))?(@(.*))?$/s

/** The same path again, as it is asked for at a registry. */
export function printShubPath({ name, pointer }: ShubPath): string {
  const [tag, versioned] = pointer.split('@')
  if (versioned === undefined) return `${name}:${tag}`
  return tag === usualTag ? `${name}@${versioned}` : `${name}:${tag}@${versioned}`
}
