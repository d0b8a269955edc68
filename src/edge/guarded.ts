import type { Serving } from '../catalog/catalog.ts'
import type { Ask } from '../model/principal.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Gate, Wanted } from './gate.ts'

/**
 * The same catalog, which answers only what the one who asks may know. Every question with somebody behind it is checked
 * here, and nowhere can it be forgotten; what is asked for nobody in particular follows from an answer that was checked.
 *
 * Besides: `openAtOnce`, `homes`, `repositories` and what was printed before are checked where they are used.
 */
export function guarded(catalog: Serving, gate: Gate): Serving {
  if (gate.isOpen) return catalog

  const demand = async (ask: Ask, wanted: Wanted) => gate.demand(ask, wanted)

  /** Such an upstream hears itself who asks, and finds what that one may know of. */
  async function asAsked<T>(upstream: UpstreamId, ask: Ask, work: () => Promise<T>): Promise<T> {
    gate.demandAll(ask, upstream)
    try {
      return await work()
    } catch (error) {
      throw gate.isCallers(upstream) ? gate.asTold(error, ask, upstream) : error
    }
  }

  return {
    async resolve(reference, ask) {
      await demand(ask, reference)
      return catalog.resolve(reference, ask)
    },
    openAtOnce: (reference) => (gate.isCallers(reference.upstream) ? undefined : catalog.openAtOnce(reference)),
    get hitsVersion() {
      return catalog.hitsVersion
    },
    async open(reference, ask) {
      await demand(ask, reference)
      return catalog.open(reference, ask)
    },
    async told(reference, ask) {
      await demand(ask, reference)
      const { facts, ...rest } = await catalog.told(reference, ask)
      // Where else it may be had is for who was told there.
      return { ...rest, facts: gate.isCallers(reference.upstream) ? { ...facts, urls: [] } : facts }
    },
    async hashed(reference, ask) {
      await demand(ask, reference)
      return catalog.hashed(reference, ask)
    },
    held: catalog.held,
    searchShub: (upstream, query, ask) => asAsked(upstream, ask, () => catalog.searchShub(upstream, query, ask)),
    spelling: catalog.spelling,
    async tags(upstream, repository, page, ask) {
      await demand(ask, { kind: 'repository', upstream, repository })
      return catalog.tags(upstream, repository, page, ask)
    },
    async referrers(upstream, repository, digest, filter, ask) {
      await demand(ask, { kind: 'repository', upstream, repository })
      return catalog.referrers(upstream, repository, digest, filter, ask)
    },
    repositories: catalog.repositories,
    async lookup(from, question, ask) {
      // Keys are public by their nature; all else tells names.
      if (from.about === 'keys') return catalog.lookup(from, question, ask)
      return asAsked(from.upstream, ask, () => catalog.lookup(from, question, ask))
    },
    // Which of them whoever asks may know of, nobody here can say.
    heldNames: async (upstream) => (gate.isCallers(upstream) ? [] : catalog.heldNames(upstream)),
    places: catalog.places,
    digests: catalog.digests,
    pieceDigest: catalog.pieceDigest,
    documented: async (reference) => (gate.isCallers(reference.upstream) ? undefined : catalog.documented(reference)),
    homes: catalog.homes,
    async meaning(reference, ask) {
      await demand(ask, reference)
      return catalog.meaning(reference, ask)
    },
    async fileLinks(reference, ask) {
      await demand(ask, reference)
      return catalog.fileLinks(reference, ask)
    },
    async imageLinks(reference, platform, ask) {
      await demand(ask, reference)
      return catalog.imageLinks(reference, platform, ask)
    },
    async signature(reference, ask) {
      await demand(ask, reference)
      return catalog.signature(reference, ask)
    },
    admit: catalog.admit,
    acceptedBy: catalog.acceptedBy,
    get isSigning() {
      return catalog.isSigning
    },
    sign: catalog.sign,
    get linksVersion() {
      return catalog.linksVersion
    },
    async metalink(what, options, ask) {
      if (what.kind !== 'digest') await demand(ask, what)
      return catalog.metalink(what, options, ask)
    },
  }
}
