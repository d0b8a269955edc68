import { accessSync, constants } from 'node:fs'
import type { Config, TlsSettings } from '../config/config.ts'

/** What the settings point to and this user cannot read here. It may be there where the proxy will run. */
export function unreadable(config: Config): readonly string[] {
  const secrets = [...config.upstreams].flatMap(([id, { credentials }]) => {
    if (!credentials) return []
    return attempt(`upstreams.${id}.credentials`, () => {
      if ('dockerConfig' in credentials) return access(credentials.dockerConfig)
      return ('token' in credentials ? credentials.token : credentials.password).read()
    })
  })
  const { key, passphrase } = config.signing ?? {}
  const signing = [
    ...(key ? attempt('signing.key', () => key.read()) : []),
    ...(passphrase ? attempt('signing.passphrase', () => passphrase.read()) : []),
  ]
  const trusted = [...config.upstreams].flatMap(([id, { signatures }]) =>
    (signatures?.keys ?? []).flatMap((file) => attempt(`upstreams.${id}.signatures.keys`, () => access(file))),
  )
  const users = config.access.users ? attempt('access.users.file', () => access(config.access.users!.file)) : []
  const doors = config.listen.flatMap(({ tls }, at) => (tls ? unreadableTls(tls, `listen.${at}.tls`) : []))
  const authorities = config.outbound.ca.flatMap((file) => attempt('outbound.ca', () => access(file)))
  return [...secrets, ...signing, ...trusted, ...users, ...doors, ...authorities]
}

function unreadableTls({ certificate, key, clientCa }: TlsSettings, setting: string): string[] {
  const files = Object.entries({ certificate, key, ...(clientCa === undefined ? {} : { clientCa }) })
  return files.flatMap(([name, file]) => attempt(`${setting}.${name}`, () => access(file)))
}

function access(file: string): void {
  accessSync(file, constants.R_OK)
}

function attempt(setting: string, read: () => unknown): string[] {
  try {
    read()
    return []
  } catch (error) {
    return [`${setting}: ${(error as Error).message}`]
  }
}
