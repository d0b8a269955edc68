import type { Config } from '../config/config.ts'
import { loadConfig } from '../config/load.ts'
import { machineArch } from '../system/machine.ts'
import type { Given, Surroundings } from './command.ts'
import type { Names } from './reference.ts'

/** The settings a command works with: `--config`, else FOREBAY_CONFIG, else the file that came along. @throws Fault 'config-invalid' */
export function readSettings(
  { options }: Pick<Given, 'options'>,
  surroundings: Pick<Surroundings, 'env' | 'defaultConfig'>,
): Config {
  const { env, defaultConfig } = surroundings
  const file = settingsFile(options.config, env)
  return file === undefined ? loadConfig(defaultConfig, env, { relativeTo: process.cwd() }) : loadConfig(file, env)
}

function settingsFile(option: string | boolean | undefined, env: NodeJS.ProcessEnv): string | undefined {
  return typeof option === 'string' ? option : env.FOREBAY_CONFIG || undefined
}

export function namesOf({ upstreams, defaults, publicUrl, publicHosts, listen }: Config): Names {
  const own = [...(publicUrl ? [publicUrl.host] : []), ...publicHosts, ...listen.map(({ host, port }) => `${host}:${port}`)]
  return { upstreams: [...upstreams.values()], defaults, own, arch: machineArch() }
}
