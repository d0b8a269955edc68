import type { Part } from './parts.ts'
import type { Site, SiteUpstream } from './site.ts'

const about = ['What makes the most of them; they are for all that aria2c fetches. In another file: aria2c --conf-path=FILE']

/** @see aria2c(1) */
export function aria2Config(site: Site): readonly Part[] {
  const addresses = site.upstreams.map((upstream) => `  aria2c ${site.url}${pathOf(upstream)}`)
  const lines = [
    '# The document itself is not kept.',
    'follow-metalink=mem',
    '# Of a file that is there, only what is wrong or missing is fetched.',
    'check-integrity=true',
    '# In pieces of so much, from several places at once where the document has several.',
    'min-split-size=4M',
    ...(site.country === undefined ? [] : ['# Places of this country first.', `metalink-location=${site.country}`]),
    ...(site.isPlain
      ? []
      : ['# Where an authority of the site signed the certificate of the proxy.', '#ca-certificate=/etc/ssl/certs/site-ca.pem']),
  ]
  return [
    {
      about: ['Images and files by their metalinks, which tell of other places and have what they are checked by:', ...addresses],
      lines: [],
    },
    { file: '~/.config/aria2/aria2.conf', about, lines },
  ]
}

function pathOf({ id, kind }: SiteUpstream): string {
  switch (kind) {
    case 'files':
      return `/files/${id}/PATH.meta4`
    case 'library':
      return `/metalink/${id}/ENTITY/COLLECTION/NAME:TAG.meta4`
    case 'shub':
      return `/metalink/${id}/COLLECTION/NAME:TAG.meta4`
    case 'oci':
    case 'static':
      return `/metalink/${id}/NAMESPACE/NAME:TAG.meta4`
  }
}
