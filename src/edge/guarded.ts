import type { Keeping, Linking, Passing, Pulls } from '../catalog/catalog.ts'
import type { Ask } from '../model/principal.ts'
import { placeOf, type Reference } from '../model/reference.ts'
import type { Gate } from './gate.ts'

/** The catalog as far as requests have to do with it. */
export type EdgeCatalog = Pulls & Passing & Linking & Pick<Keeping, 'metalink'>

/**
 * The same catalog, which answers only what the one who asks may know. Every question with somebody behind it is checked
 * here, and nowhere can it be forgotten; what is asked for nobody in particular follows from an answer that was checked.
 *
 * Besides: `openAtOnce`, `home`, `repositories` and what was printed before are checked where they are used.
 */
export function guarded(catalog: EdgeCatalog, gate: Gate): EdgeCatalog {
  if (gate.isOpen) return catalog

  const demand = ({ principal }: Ask, reference: Reference) =>
    gate.demand(principal, 'repository' in reference ? reference : placeOf(reference))

  return {
    async resolve(reference, ask) {
      demand(ask, reference)
      return catalog.resolve(reference, ask)
    },
    openAtOnce: catalog.openAtOnce,
    async open(reference, ask) {
      demand(ask, reference)
      return catalog.open(reference, ask)
    },
    async told(reference, ask) {
      demand(ask, reference)
      return catalog.told(reference, ask)
    },
    async hashed(reference, ask) {
      demand(ask, reference)
      return catalog.hashed(reference, ask)
    },
    held: catalog.held,
    async searchShub(upstream, query, ask) {
      gate.demandAll(ask.principal, upstream)
      return catalog.searchShub(upstream, query, ask)
    },
    spelling: catalog.spelling,
    async tags(upstream, repository, page, ask) {
      gate.demand(ask.principal, { upstream, repository })
      return catalog.tags(upstream, repository, page, ask)
    },
    async referrers(upstream, repository, digest, filter, ask) {
      gate.demand(ask.principal, { upstream, repository })
      return catalog.referrers(upstream, repository, digest, filter, ask)
    },
    repositories: catalog.repositories,
    async lookup(from, question, ask) {
      // Keys are public by their nature; all else tells names.
      if (from.about !== 'keys') gate.demandAll(ask.principal, from.upstream)
      return catalog.lookup(from, question, ask)
    },
    heldNames: catalog.heldNames,
    places: catalog.places,
    digests: catalog.digests,
    pieceDigest: catalog.pieceDigest,
    documented: catalog.documented,
    home: catalog.home,
    async meaning(reference, ask) {
      demand(ask, reference)
      return catalog.meaning(reference, ask)
    },
    async fileLinks(reference, ask) {
      demand(ask, reference)
      return catalog.fileLinks(reference, ask)
    },
    async imageLinks(reference, platform, ask) {
      demand(ask, reference)
      return catalog.imageLinks(reference, platform, ask)
    },
    async signature(reference, ask) {
      demand(ask, reference)
      return catalog.signature(reference, ask)
    },
    get isSigning() {
      return catalog.isSigning
    },
    sign: catalog.sign,
    get linksVersion() {
      return catalog.linksVersion
    },
    async metalink(what, options, ask) {
      if (what.kind !== 'digest') demand(ask, what)
      return catalog.metalink(what, options, ask)
    },
  }
}
