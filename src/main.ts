import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { commandSocket } from './boot/command-socket.ts'
import type { Surroundings } from './cli/command.ts'
import { commands } from './cli/commands.ts'
import { runCommandLine } from './cli/run.ts'
import { Fault } from './model/fault.ts'

const root = new URL('../', import.meta.url) // of the package, seen from src/ and from dist/
const { version } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8')) as { version: string }

const surroundings: Surroundings = {
  version,
  env: process.env,
  stdout: process.stdout,
  stderr: process.stderr,
  defaultConfig: fileURLToPath(new URL('config/default.yaml', root)),
  interruption,
  commandSocket,
  // Loaded only where needed: a command that speaks to a server starts in half the time.
  async openStore(config) {
    const { openStore } = await import('./boot/open-store.ts')
    return openStore(config, version)
  },
  async tokens(config) {
    const { openTokens } = await import('./boot/open-access.ts')
    return openTokens(config)
  },
  async serve(config, reread, workers) {
    const { serve } = await import('./boot/serve.ts')
    return serve(config, version, { reread, workers })
  },
}

// Who reads what we print may stop when it has seen enough: `forebay images | head`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})

// Nothing below keeps the process alive by itself (a pause before a retry, an idle thread); what it was asked to do does.
const alive = setInterval(() => {}, 2 ** 30)
process.exitCode = await runCommandLine(process.argv.slice(2), commands, surroundings)
clearInterval(alive)

function interruption(): AbortSignal {
  const interrupted = new AbortController()
  const stop = () => interrupted.abort(new Fault('cancelled', { what: 'the command' }))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop)
  return interrupted.signal // once: the same again ends the process
}
