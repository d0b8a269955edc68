import type { BlobSignature } from '../model/facts.ts'

const begin = '-----BEGIN PGP SIGNATURE-----\n'
const end = '\n-----END PGP SIGNATURE-----'
const kept =
  /^-----BEGIN PGP SIGNATURE-----\nComment: Forebay (\d{1,15}) (site|publisher)((?: [0-9A-F]{40,64})*)\n\n([A-Za-z0-9+/=\n]+)\n-----END PGP SIGNATURE-----\n$/

/** A signature as everybody reads it, with what is known of it as a comment in its armor: one file, so the two never disagree. */
export function printSignature({ armored, by, keys, keptAt }: BlobSignature): string {
  const comment = ['Comment: Forebay', Math.trunc(keptAt), by, ...keys].join(' ')
  return `${begin}${comment}\n\n${armored.slice(begin.length, -end.length).trim()}${end}\n`
}

export function parseSignature(text: string): BlobSignature | undefined {
  const [, keptAt, by, keys = '', body] = kept.exec(text) ?? []
  if (body === undefined) return undefined
  return {
    armored: `${begin}\n${body}${end}`,
    by: by as BlobSignature['by'],
    keys: keys.split(' ').filter((key) => key !== ''),
    keptAt: Number(keptAt),
  }
}
