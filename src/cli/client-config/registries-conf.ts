import { canBePrefix, withoutNames, withPorts } from './names.ts'
import type { Part } from './parts.ts'
import type { Site, SiteUpstream } from './site.ts'

interface Plan {
  readonly about: readonly string[]
  /** Nothing is asked of the registries themselves, not even where we do not answer. */
  readonly isBlocked: boolean
}

/** Mirrors of registries, as all who use containers/image read them. @see containers-registries.conf(5) */
export function registriesConf(site: Site, registries: readonly SiteUpstream[], { about, isBlocked }: Plan): Part {
  const mirrored = registries.filter((upstream) => upstream.registry !== undefined && canBePrefix(upstream))
  const blocks = mirrored.map(({ id, registry }) =>
    [
      '[[registry]]',
      `location = "${registry}"`,
      ...(isBlocked ? ['blocked = true'] : []),
      '',
      '[[registry.mirror]]',
      `location = "${site.host}/${id}"`,
      ...(site.isPlain ? ['insecure = true'] : []),
    ].join('\n'),
  )
  return {
    file: '/etc/containers/registries.conf.d/forebay.conf',
    about: [...about, ...withoutNames(site, registries), ...withPorts(registries)],
    lines: [blocks.join('\n\n')].filter(Boolean),
  }
}
