import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { startCommand } from '../../kit/command.ts'
import type { Forebay } from './forebay.ts'

/** What `forebay client-config` printed. */
export interface ClientConfig {
  readonly text: string
  /** Each file's part with its comments, by the file's name. */
  readonly files: ReadonlyMap<string, string>
  /** Lines of the comments that are commands. */
  readonly commands: readonly string[]
}

/** Asks the program itself, with the settings of a server. */
export async function clientConfig({ settings }: Forebay, client: string, ...more: readonly string[]): Promise<ClientConfig> {
  const { code, text, stderr } = await startCommand(['client-config', client, '--config', settings, ...more]).ended
  if (code !== 0) throw new Error(`client-config ${client} ended with ${code}: ${stderr}`)
  const parts = text.split(/\n\n(?=# )/).map((part) => `${part.trimEnd()}\n`)
  const named = parts.flatMap((part) => {
    const [, file] = /^# ([~/]\S+)\n/.exec(part) ?? []
    return file === undefined ? [] : [[file, part] as const]
  })
  const commands = [...text.matchAll(/^# {3}(\S.*)$/gm)].map(([, line]) => line!)
  return { text, files: new Map(named), commands }
}

/** Puts each file where it says, with `home` for `~` and `root` before what is of the whole machine. */
export async function putInPlace({ files }: ClientConfig, { home, root }: { home: string; root: string }): Promise<void> {
  for (const [file, text] of files) {
    const path = file.startsWith('~') ? join(home, file.slice(1)) : join(root, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, text)
  }
}
