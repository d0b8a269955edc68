import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The script of docs/protocols.md that begins by giving this variable a URL, less that line. */
export async function documentedScript(variable: string): Promise<string> {
  const page = await readFile(join(import.meta.dirname, '../../../docs/protocols.md'), 'utf8')
  const [, script] = new RegExp(`\`\`\`sh\\n${variable}=\\S+\\n(.*?)\`\`\``, 's').exec(page) ?? []
  if (script === undefined) throw new Error(`docs/protocols.md has no script that begins with ${variable}=`)
  return script
}
