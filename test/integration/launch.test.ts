import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'

// A package as it lies on a disk, with a main that tells who runs it and how it is ended.
const main = `
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'])
  process.on(signal, () => { console.log(signal); clearInterval(alive); process.exitCode = 7 })
const alive = setInterval(() => {}, 1000)
console.log(JSON.stringify({ file: process.argv[1], words: process.argv.slice(2), by: process.env.RUN_BY ?? 'itself' }))
if (!process.argv.includes('stay')) { clearInterval(alive); process.exitCode = Number(process.argv[3] ?? 0) }
`
let folder: TempFolder
let launcher: string

beforeEach(async () => {
  folder = await tempFolder()
  launcher = join(folder.path, 'src', 'launch.mjs')
  for (const name of ['src', 'dist']) await mkdir(join(folder.path, name))
  await copyFile('src/launch.mjs', launcher)
  await writeFile(join(folder.path, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder.path, 'src', 'main.ts'), main)
})
afterEach(() => folder[Symbol.asyncDispose]())

/** Puts a Node of its own beside the package. It is another file than the one that runs this test. */
async function bringNode(script = `#!/bin/sh\nRUN_BY=package exec '${process.execPath}' "$@"\n`): Promise<void> {
  const bin = join(folder.path, 'node_modules', `node-${process.platform}-${process.arch}`, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, 'node'), script)
  await chmod(join(bin, 'node'), 0o755)
}

function start(words: readonly string[], pretend?: string): ChildProcess {
  const versions = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${pretend}' } })`
  const flags = pretend ? ['--import', `data:text/javascript,${encodeURIComponent(versions)}`] : []
  return spawn(process.execPath, [...flags, launcher, ...words], { stdio: ['ignore', 'pipe', 'pipe'] })
}

async function run(words: readonly string[], pretend?: string) {
  const child = start(words, pretend)
  const [out, err, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
  return { code, out: out === '' ? undefined : JSON.parse(out), err }
}

describe('the launcher', () => {
  test('runs by the Node that came along, with all words, and ends with the same exit code', async () => {
    await bringNode()
    const { code, out } = await run(['images', '3', '--json'])
    expect(out).toEqual({ file: join(folder.path, 'src', 'main.ts'), words: ['images', '3', '--json'], by: 'package' })
    expect(code).toBe(3)
  })

  test('runs by that Node also when it is started by an old one', async () => {
    await bringNode()
    expect((await run(['images'], '18.20.0')).out).toMatchObject({ by: 'package' })
  })

  test('runs in its own process where no Node came along and this one is recent', async () => {
    const { code, out } = await run(['images', '4'])
    expect(out).toEqual({ file: join(folder.path, 'src', 'main.ts'), words: ['images', '4'], by: 'itself' })
    expect(code).toBe(4)
  })

  test('runs in its own process where the Node that came along does not start on this machine', async () => {
    await bringNode('#!/nonexistent/ld-musl\n')
    expect(await run(['images', '5'])).toMatchObject({ code: 5, out: { by: 'itself' } })
  })

  test('says what is missing where there is no Node that will do', async () => {
    const { code, out, err } = await run(['images'], '20.11.1')
    expect({ code, out }).toEqual({ code: 1, out: undefined })
    expect(err).toContain('This is Node 20.11.1, and Forebay needs 24 or later')
    await bringNode('#!/nonexistent/ld-musl\n')
    expect((await run(['images'], '20.11.1')).err).toContain('cannot be started (ENOENT)')
  })

  test('runs what was built where there are no sources', async () => {
    await rename(join(folder.path, 'src', 'main.ts'), join(folder.path, 'dist', 'main.js'))
    expect((await run(['images'])).out).toMatchObject({ file: join(folder.path, 'dist', 'main.js') })
  })

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)('passes %s on, and waits for the end', async (signal) => {
    await bringNode()
    const child = start(['serve', 'stay'])
    await once(child.stdout!, 'data')
    const rest = text(child.stdout!)
    child.kill(signal)
    const [code] = await once(child, 'close')
    expect(await rest).toBe(`${signal}\n`)
    expect(code).toBe(7)
  })
})
