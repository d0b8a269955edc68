import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { acquireStoreLock } from '../../src/records/lock.ts'
import { startCommand } from '../kit/command.ts'
import { blobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouse } from '../kit/house.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { lab } from '../kit/world.ts'

expectNoLeaks()

describe('a store that has an owner', () => {
  let folder: TempFolder
  let settings: { readonly file: string; readonly store: string }
  beforeEach(async () => {
    folder = await tempFolder()
    settings = await siteIn(folder.path)
  })
  afterEach(() => folder[Symbol.asyncDispose]())

  test('that cannot be spoken to is left alone', async () => {
    const owner = acquireStoreLock(settings.store)
    const { code, stderr } = await startCommand(['gc', '--config', settings.file]).ended
    owner.release()
    expect(code).toBe(1)
    expect(stderr).toContain(`process ${process.pid}`)
    expect((await startCommand(['gc', '--config', settings.file]).ended).code).toBe(0)
  })

  test('that was killed leaves nothing in the way of the next command or server', async () => {
    const upstreams = { [lab]: { url: 'http://127.0.0.1:9' } }
    await using house = await startHouseProcess({ storePath: settings.store, upstreams })
    expect((await startCommand(['images', '--config', settings.file]).ended).code).toBe(0)
    await house.kill('SIGKILL')
    expect((await stat(join(settings.store, 'command.sock'))).isSocket()).toBe(true)
    expect(await startCommand(['gc', '--config', settings.file]).ended).toMatchObject({ code: 0, text: '0 B freed\n' })
    await using again = await startHouseProcess({ storePath: settings.store, upstreams })
    expect((await startCommand(['images', '--config', settings.file]).ended).code).toBe(0)
    expect(await again.kill('SIGTERM')).toBe(0)
    expect(await readdir(settings.store)).not.toContain('command.sock')
  })

  test('lets nobody but its own user speak to it, also where the store lies too deep for a socket address', async () => {
    const deep = await siteIn(join(folder.path, 'a'.repeat(100), 'b'.repeat(100)))
    await using house = await startHouse({ storePath: deep.store, upstreams: { [lab]: { url: 'http://127.0.0.1:9' } } })
    expect(house.url).toContain('http')
    expect((await stat(join(deep.store, 'command.sock'))).mode & 0o777).toBe(0o600)
    expect((await startCommand(['images', '--config', deep.file]).ended).code).toBe(0)
  })
})

test('what came from an upstream that has left the settings can be seen and removed', async () => {
  await using folder = await tempFolder()
  await using upstream = await createFakeUpstream()
  const tool = image({ seed: 'old', layers: [3000] })
  upstream.push('lab/tool', tool, 'v1')
  const { file, store } = await siteIn(folder.path)
  const upstreams = { 'old.example': { kind: 'oci', url: upstream.url } }
  await writeFile(join(folder.path, 'before.yaml'), JSON.stringify({ store: { path: store }, upstreams }))
  const before = await startCommand(['get', 'old.example/lab/tool:v1', '--config', join(folder.path, 'before.yaml')]).ended
  expect(before.code).toBe(0)
  const now = (...words: string[]) => startCommand([...words, '--config', file]).ended
  expect((await now('images')).text).toContain('old.example/lab/tool:v1')
  expect((await now('inspect', tool.manifest.digest)).text).toContain('old.example/lab/tool:v1 is too old')
  expect((await now('rm', tool.manifest.digest)).text).toContain('removed old.example/lab/tool:v1')
  expect(await blobsOn(store)).toEqual([])
})

describe('the program', () => {
  test('says its version and how it is used', async () => {
    const { version } = JSON.parse(await readFile('package.json', 'utf8'))
    expect(await startCommand(['--version']).ended).toMatchObject({ code: 0, text: `${version}\n` })
    expect((await startCommand(['--help']).ended).text).toContain('Usage: forebay COMMAND')
    expect(await startCommand([]).ended).toMatchObject({ code: 2, text: '' })
  })

  test('takes its settings from --config, else FOREBAY_CONFIG, else those that came along', async () => {
    await using folder = await tempFolder()
    const named = await siteIn(join(folder.path, 'named'))
    const other = await siteIn(join(folder.path, 'other'))
    await startCommand(['gc', '--config', named.file], { FOREBAY_CONFIG: other.file }).ended
    expect([await isThere(named.store), await isThere(other.store)]).toEqual([true, false])
    await startCommand(['gc'], { FOREBAY_CONFIG: other.file }).ended
    expect(await isThere(other.store)).toBe(true)
    expect((await startCommand(['gc'], {}, folder.path).ended).code).toBe(0)
    expect(await isThere(join(folder.path, 'data', 'blobs'))).toBe(true)
  })

  test('checks settings: every mistake and exit code 1, or a line that says they are fine', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'site.yaml')
    await writeFile(file, 'upstreams: { a: { kind: oci, url: nowhere } }\nstor: {}\ndrainTimeout: long\n')
    const wrong = await startCommand(['config', 'check', file]).ended
    expect(wrong).toMatchObject({ code: 1, text: '' })
    expect(wrong.stderr.match(/^ {2}(upstreams\.a\.url|stor|drainTimeout): /gm)).toHaveLength(3)
    expect((await startCommand(['serve', '--config', file]).ended).stderr).toContain('drainTimeout: "long" is wrong')
    await writeFile(file, 'upstreams: { a: { kind: oci, url: "https://a.example" } }\n')
    const fine = { code: 0, text: 'The settings are fine: 1 upstream (a).\n', stderr: '' }
    expect(await startCommand(['config', 'check', file]).ended).toMatchObject(fine)
    expect(await startCommand(['config', 'check', '--config', file]).ended).toMatchObject(fine)
  })

  test('notes secrets that cannot be read here', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'site.yaml')
    const secret = { username: 'me', password: { file: './secret' } }
    await writeFile(file, JSON.stringify({ upstreams: { a: { kind: 'oci', url: 'https://a.example', credentials: secret } } }))
    const { code, stderr } = await startCommand(['config', 'check', file]).ended
    expect(code).toBe(0)
    expect(stderr).toMatch(/^Note: upstreams\.a\.credentials: ENOENT.*secret/)
    await writeFile(join(folder.path, 'secret'), 'correct-horse')
    expect((await startCommand(['config', 'check', file]).ended).stderr).toBe('')
  })

  test('prints a schema in which every setting has a meaning', async () => {
    const schema = JSON.parse((await startCommand(['config', 'schema']).ended).text)
    expect(schema.properties.transfer.properties.maxFills).toMatchObject({ default: 16, maximum: 1000, type: 'integer' })
    expect(schema.properties.upstreams.additionalProperties.properties.freshFor.description).toContain('trusted')
    expect(schema.required).toEqual(['upstreams'])
  })

  test('ends quietly when nobody reads on', async () => {
    const command = startCommand(['config', 'schema'])
    command.hangUp()
    expect(await command.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

async function siteIn(folder: string): Promise<{ file: string; store: string }> {
  await mkdir(folder, { recursive: true })
  const [file, store] = [join(folder, 'site.yaml'), join(folder, 'store')]
  const upstreams = { [lab]: { kind: 'oci', url: 'http://127.0.0.1:9' } }
  await writeFile(file, JSON.stringify({ store: { path: store }, upstreams }))
  return { file, store }
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
