import { type AskOptions, ask, type Reply } from './ask.ts'
import { createFakeUpstream, type FakeUpstream } from './fake-upstream.ts'
import { createFakeFiles, type FakeFiles } from './files-upstream.ts'
import { createHandClock, type HandClock } from './hand-clock.ts'
import { type House, type HouseSettings, startHouse } from './house.ts'
import { createFakeLibrary, type FakeLibrary } from './library-upstream.ts'
import { createRecordedLog, type RecordedLog } from './recorded-log.ts'
import { createFakeShub, type FakeShub } from './shub-upstream.ts'

/** Users of the upstreams themselves, who are nobody to the house. */
export const callers = { carol: 'carols-own-password', dave: 'daves-own-password' } as const
export type CallerName = keyof typeof callers

/** What carol shows where tokens are shown; dave has one that is good for nothing. */
export const callerTokens = { carol: 'carols-own-token', dave: 'daves-own-token' } as const

/** A house whose upstreams say themselves who may read what: carol all, dave and others what is public. */
export interface CallersWorld extends AsyncDisposable {
  readonly house: House
  readonly clock: HandClock
  readonly log: RecordedLog
  readonly lab: FakeUpstream
  readonly data: FakeFiles
  readonly sy: FakeLibrary
  readonly hub: FakeShub
  /** Carol may read the private repository. */
  grant(isGranted: boolean): void
  as(who: CallerName | undefined, path: string, options?: AskOptions): Promise<Reply>
  /** With a token instead of a password. */
  byToken(who: CallerName | undefined, path: string, options?: AskOptions): Promise<Reply>
}

export const privateRepository = 'team/private'

export async function createCallersWorld(settings: Partial<HouseSettings> = {}): Promise<CallersWorld> {
  let isGranted = true
  const isCarol = (authorization: string | undefined) => isGranted && authorization === basic('carol', callers.carol)
  const lab = await createFakeUpstream({
    auth: {
      kind: 'bearer',
      users: callers,
      mayPull: (user, repository) => repository !== privateRepository || (isGranted && user === 'carol'),
    },
  })
  const data = await createFakeFiles(({ on, path, headers }) =>
    on === 'registry' && path.includes('/private/') && !isCarol(headers.authorization) ? { status: 403 } : undefined,
  )
  const sy = await createFakeLibrary({ token: callerTokens.carol })
  const hub = await createFakeShub({ token: callerTokens.carol })
  const [clock, log] = [createHandClock(), createRecordedLog()]
  const rights = 'caller'
  const house = await startHouse(
    {
      defaults: { oci: 'lab.example', library: 'sy', shub: 'hub' },
      ...settings,
      upstreams: {
        'lab.example': { url: lab.url, rights },
        data: { kind: 'files', url: data.base, rights },
        sy: { kind: 'library', url: sy.url, rights },
        hub: { kind: 'shub', url: hub.url, rights },
        ...settings.upstreams,
      },
      outbound: { allow: [lab.cdn.host, sy.files.host, hub.files.host] },
    },
    clock,
    log,
  )
  const asking = (authorization: string | undefined, path: string, { headers, ...more }: AskOptions = {}) =>
    ask(house.url + path, { ...more, headers: { ...headers, ...(authorization === undefined ? {} : { authorization }) } })
  return {
    house,
    clock,
    log,
    lab,
    data,
    sy,
    hub,
    grant(next) {
      isGranted = next
    },
    as: (who, path, options) => asking(who && basic(who, callers[who]), path, options),
    byToken: (who, path, options) => asking(who && `Bearer ${callerTokens[who]}`, path, options),
    async [Symbol.asyncDispose]() {
      await lab.close()
      for (const one of [data, sy, hub]) await one[Symbol.asyncDispose]()
      await house.stop()
    },
  }
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}
