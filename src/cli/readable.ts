import { accessSync, constants } from 'node:fs'
import type { Config } from '../config/load.ts'

/** What the settings point to and this user cannot read here. It may be there where the proxy will run. */
export function unreadable(config: Config): readonly string[] {
  const secrets = [...config.upstreams].flatMap(([id, { credentials }]) => {
    if (!credentials) return []
    const read = 'password' in credentials ? () => credentials.password.read() : () => access(credentials.dockerConfig)
    return attempt(`upstreams.${id}.credentials`, read)
  })
  return [...secrets, ...config.outbound.ca.flatMap((file) => attempt('outbound.ca', () => access(file)))]
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
