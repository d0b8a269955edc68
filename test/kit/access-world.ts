import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import type { Tokens } from '../../src/access/access.ts'
import { createTokens } from '../../src/access/tokens.ts'
import type { Logger } from '../../src/system/log.ts'
import { ask, type Reply } from './ask.ts'
import { createFakeUpstream, type FakeUpstream } from './fake-upstream.ts'
import { createFakeFiles, type FakeFiles } from './files-upstream.ts'
import { type House, startHouse } from './house.ts'
import { createFakeLibrary, type FakeLibrary } from './library-upstream.ts'
import { createFakeShub, type FakeShub } from './shub-upstream.ts'
import { createFakeStatic, type FakeStatic } from './static-upstream.ts'
import { tempFolder } from './temp-folder.ts'

/** Those the users file has, with passwords that no log may show. */
export const passwords = { alice: 'open-sesame-42', bob: 'let-me-in-43', ops: 'watch-me-44' } as const
export type User = keyof typeof passwords

/** A house with an upstream of each kind and a file of users. */
export interface AccessWorld extends AsyncDisposable {
  readonly house: House
  readonly lab: FakeUpstream
  readonly data: FakeFiles
  readonly sy: FakeLibrary
  readonly hub: FakeShub
  readonly pages: FakeStatic
  readonly tokens: Tokens
  /** Who has no password in it is no user any more. */
  writeUsers(users: Readonly<Record<string, string>>): Promise<void>
  /** A path asked for by a user, by the bearer of a token, or by nobody. */
  as(who: User | { readonly token: string } | undefined, path: string, method?: 'GET' | 'HEAD'): Promise<Reply>
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

export async function createAccessWorld(access: Readonly<Record<string, unknown>>, log?: Logger): Promise<AccessWorld> {
  const folder = await tempFolder()
  const [lab, data, sy] = [await createFakeUpstream(), await createFakeFiles(), await createFakeLibrary()]
  const [hub, pages] = [await createFakeShub(), await createFakeStatic()]
  const file = join(folder.path, 'htpasswd')
  const storePath = join(folder.path, 'store')
  const writeUsers = async (users: Readonly<Record<string, string>>) => {
    const lines = Object.entries(users).map(([name, one]) => `${name}:${hashSync(one, 4).replace('$2b$', '$2y$')}\n`)
    await writeFile(`${file}.new`, lines.join(''))
    await rename(`${file}.new`, file) // never half of it
  }
  await writeUsers(passwords)
  const house = await startHouse(
    {
      upstreams: {
        'lab.example': { url: lab.url },
        data: { kind: 'files', url: data.base },
        sy: { kind: 'library', url: sy.url },
        hub: { kind: 'shub', url: hub.url },
        pages: { kind: 'static', url: pages.base },
      },
      defaults: { oci: 'lab.example', library: 'sy', shub: 'hub' },
      outbound: { allow: [sy.files.host, hub.files.host, pages.files.host] },
      storePath,
      more: { access: { users: { file }, ...access } },
    },
    undefined,
    log,
  )
  return {
    house,
    lab,
    data,
    sy,
    hub,
    pages,
    tokens: createTokens(storePath, Date.now),
    writeUsers,
    as(who, path, method = 'GET') {
      const authorization = typeof who === 'string' ? basic(who, passwords[who]) : who && `Bearer ${who.token}`
      return ask(house.url + path, { method, headers: authorization === undefined ? {} : { authorization } })
    },
    async [Symbol.asyncDispose]() {
      await lab.close()
      for (const one of [data, sy, hub, pages]) await one[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}
