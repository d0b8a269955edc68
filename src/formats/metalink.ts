import type { ForeignMetalink } from './metalink-document.ts'
import { type MetalinkLimits, metalinkLimits, readXml } from './metalink-xml.ts'
import { metalink3In, metalink3Namespace } from './metalink3.ts'
import { metalink4In } from './metalink4.ts'

/**
 * Reads a metalink of either dialect: the document's namespace decides, since servers send either under either media type.
 *
 * @param from the URL it came from, for people; without secrets
 * @throws Fault 'upstream-invalid' for anything that is not a metalink or exceeds a limit
 */
export function parseMetalink(bytes: Uint8Array, from: string, limits: MetalinkLimits = metalinkLimits): ForeignMetalink {
  const root = readXml(bytes, from, limits)
  return root.namespace === metalink3Namespace ? metalink3In(root, from, limits) : metalink4In(root, from, limits)
}
