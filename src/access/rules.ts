import type { Principal } from '../model/principal.ts'
import { wildcard } from '../model/wildcard.ts'
import type { Policy } from './access.ts'

export interface Rule {
  readonly upstream?: string | undefined // a name, or `*`
  readonly repositories?: readonly string[] | undefined // `*` stands for anything, slashes too
  readonly users?: readonly string[] | undefined // names; `*` for whoever gives one, `anonymous` for who gives none
  readonly allow: 'pull' | 'none'
}

export interface PolicySettings {
  readonly anonymous: 'pull' | 'none'
  readonly admins: readonly string[]
  readonly rules: readonly Rule[]
}

type Verdict = 'pull' | 'none' | undefined

/**
 * The first rule that is about the one who asks and what it asks for decides; where none is, whoever gave a name may read,
 * and others as `anonymous` says. A rule that leaves something out is about any.
 */
export function createPolicy({ anonymous, admins, rules }: PolicySettings, upstreams: readonly string[]): Policy {
  const known = rules.map((rule) => ({ ...rule, names: rule.repositories && matcher(rule.repositories) }))
  const strangers: readonly Principal[] = [...new Set([...rules.flatMap(({ users = [] }) => users), '*'])].map((name) => ({
    kind: 'user',
    name,
  }))

  const isUsers = ({ users }: Rule, principal: Principal) => users === undefined || users.some((one) => means(one, principal))
  const isAbout = (rule: Rule, principal: Principal, upstream: string) =>
    (rule.upstream === undefined || rule.upstream === '*' || rule.upstream === upstream) && isUsers(rule, principal)
  const otherwise = (principal: Principal) => principal.kind !== 'anonymous' || anonymous === 'pull'

  /** `ofSome`: what a rule says to the question that is only about some of the names. */
  function judge(principal: Principal, upstream: string, ofSome: (rule: (typeof known)[number]) => Verdict): boolean {
    if (principal.kind === 'operator') return true
    for (const rule of known) {
      if (!isAbout(rule, principal, upstream)) continue
      const verdict = rule.names ? ofSome(rule) : rule.allow
      if (verdict) return verdict === 'pull'
    }
    return otherwise(principal)
  }

  const mayPull: Policy['mayPull'] = (principal, { upstream, repository }) => {
    const name = plain(repository)
    return judge(principal, upstream, (rule) => (rule.names!(name) ? rule.allow : undefined))
  }
  const mayPullAll: Policy['mayPullAll'] = (principal, upstream) =>
    judge(principal, upstream, ({ allow }) => (allow === 'none' ? 'none' : undefined))
  const mayPullSome: Policy['mayPullSome'] = (principal, upstream) =>
    judge(principal, upstream, ({ allow }) => (allow === 'pull' ? 'pull' : undefined))
  const everybody: readonly Principal[] = [{ kind: 'anonymous' }, ...strangers]
  const isOpenToAll = (upstream: string) => everybody.every((one) => mayPullAll(one, upstream))

  return {
    isOpen: upstreams.every(isOpenToAll),
    isOpenToAll,
    mayPull,
    mayPullAll,
    mayPullSome,
    couldHelp: (place) =>
      strangers.some((one) => (place ? mayPull(one, place) : upstreams.some((upstream) => mayPullSome(one, upstream)))),
    isAdmin: (principal) => principal.kind === 'operator' || ('name' in principal && admins.includes(principal.name)),
  }
}

function means(entry: string, principal: Principal): boolean {
  if (entry === 'anonymous') return principal.kind === 'anonymous'
  return 'name' in principal && (entry === '*' || entry === principal.name)
}

function matcher(patterns: readonly string[]): ((name: string) => boolean) | undefined {
  if (patterns.some((pattern) => /^\*+$/.test(pattern))) return undefined
  const meanings = patterns.map((pattern) => wildcard(pattern.normalize()))
  return (name) => meanings.some((isMeant) => isMeant(name))
}

/** Paths of files are escaped, and the names in rules are not; some file systems know no difference between `é` and `e´`. */
function plain(name: string): string {
  return name.includes('%') ? decodeURIComponent(name).normalize() : name
}
