import { describe, expect, test } from 'vitest'
import { createPolicy, type PolicySettings } from '../../../src/access/rules.ts'
import type { Principal } from '../../../src/model/principal.ts'

const anonymous: Principal = { kind: 'anonymous' }
const alice: Principal = { kind: 'user', name: 'alice' }
const bob: Principal = { kind: 'user', name: 'bob' }
const robot: Principal = { kind: 'token', name: 'alice' }

function policy(settings: Partial<PolicySettings>) {
  return createPolicy({ anonymous: 'pull', admins: [], rules: [], ...settings }, ['hub', 'data'])
}

const secret = { upstream: 'hub', repository: 'team/secret/tool' }
const other = { upstream: 'hub', repository: 'team/open' }

describe('without rules', () => {
  test('everybody may read everything, and nobody need say who it is', () => {
    const open = policy({})
    expect(open.isOpen).toBe(true)
    expect(open.mayPull(anonymous, secret)).toBe(true)
  })

  test('with anonymous: none only who gives a name may', () => {
    const closed = policy({ anonymous: 'none' })
    expect(closed.isOpen).toBe(false)
    expect([anonymous, alice, robot].map((one) => closed.mayPull(one, secret))).toEqual([false, true, true])
    expect(closed.couldHelp(secret)).toBe(true)
  })
})

describe('rules', () => {
  const some = policy({
    rules: [
      { upstream: 'hub', repositories: ['team/secret/*'], users: ['alice'], allow: 'pull' },
      { upstream: 'hub', repositories: ['team/secret/*'], allow: 'none' },
    ],
  })

  test.each([
    { who: 'alice', one: alice, place: secret, may: true },
    { who: 'a token of alice', one: robot, place: secret, may: true },
    { who: 'bob', one: bob, place: secret, may: false },
    { who: 'nobody', one: anonymous, place: secret, may: false },
    { who: 'bob', one: bob, place: other, may: true },
    { who: 'nobody', one: anonymous, place: other, may: true },
    { who: 'nobody', one: anonymous, place: { upstream: 'data', repository: 'team/secret/tool' }, may: true },
  ])('$who and $place.upstream/$place.repository: $may', ({ one, place, may }) => {
    expect(some.mayPull(one, place)).toBe(may)
  })

  test('an upstream with a rule is not open to all, another is', () => {
    expect([some.isOpen, some.isOpenToAll('hub'), some.isOpenToAll('data')]).toEqual([false, false, true])
  })

  test('lists of names are only for who may read all of them', () => {
    expect([alice, bob, anonymous].map((one) => some.mayPullAll(one, 'data'))).toEqual([true, true, true])
    expect([bob, anonymous].map((one) => some.mayPullAll(one, 'hub'))).toEqual([false, false])
  })

  test('a password helps only where some name may read it', () => {
    const nobody = policy({ rules: [{ upstream: 'hub', allow: 'none' }] })
    expect(some.couldHelp(secret)).toBe(true)
    expect(nobody.couldHelp(secret)).toBe(false)
  })

  test('the first that is about it decides', () => {
    const first = policy({
      rules: [
        { users: ['bob'], allow: 'none' },
        { users: ['*'], allow: 'pull' },
        { users: ['anonymous'], allow: 'none' },
      ],
    })
    expect([alice, bob, anonymous].map((one) => first.mayPull(one, other))).toEqual([true, false, false])
  })

  test('some of an upstream is enough to be let in', () => {
    const part = policy({ anonymous: 'none', rules: [{ upstream: 'hub', repositories: ['team/*'], allow: 'pull' }] })
    expect([part.mayPullSome(anonymous, 'hub'), part.mayPullSome(anonymous, 'data')]).toEqual([true, false])
  })

  test('a pattern is no part of a longer name, and its dots are dots', () => {
    const exact = policy({ rules: [{ repositories: ['a.b', 'c/*/d'], allow: 'none' }] })
    const names = ['a.b', 'axb', 'a.b/c', 'c/x/y/d', 'c/x/dd']
    expect(names.map((repository) => exact.mayPull(alice, { upstream: 'hub', repository }))).toEqual([
      false,
      true,
      true,
      false,
      true,
    ])
  })

  test.each([
    ['priv\u00e9/*', 'prive%CC%81/x'],
    ['prive\u0301/*', 'priv%C3%A9/x'],
  ])('a letter is one however it is put together: %j means %s', (pattern, repository) => {
    const denying = policy({ rules: [{ repositories: [pattern], allow: 'none' }] })
    expect(denying.mayPull(alice, { upstream: 'data', repository })).toBe(false)
  })

  test('a path is meant however it is escaped', () => {
    const escaped = policy({ rules: [{ upstream: 'data', repositories: ['my files/*'], allow: 'none' }] })
    expect(escaped.mayPull(alice, { upstream: 'data', repository: 'my%20files/a' })).toBe(false)
  })
})
