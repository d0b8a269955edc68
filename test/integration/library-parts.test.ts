import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, askRaw } from '../kit/ask.ts'
import { KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { filesBelow, until } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld, type LibraryWorld } from '../kit/library-world.ts'
import { tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const size = 6 * MiB
const bytes = seededBytes(size, 'in parts')
const hex = sha256(bytes).slice('sha256.'.length)
const path = `/blobs/sha256/${hex}?part=1`

let world: LibraryWorld
beforeAll(async () => {
  world = await createLibraryWorld()
  world.library.push('e/c/large:t', bytes)
  world.library.push('e/c/small:t', bytes.subarray(0, 5 * MiB))
  for (const name of ['large', 'small']) {
    await pullFromLibrary(world.house.url, `e/c/${name}:t`)
    await world.stored(`e/c/${name}:t`)
  }
})
afterAll(() => world[Symbol.asyncDispose]())

const part = (range: string, more = '') =>
  askRaw(world.house.host, `GET ${path} HTTP/1.1\r\nHost: ${world.house.host}\r\nRange: ${range}\r\n${more}\r\n`)

describe('the file of an image that is here', () => {
  test('is sent for in parts, by an absolute URL of ours, where it is larger than one', async () => {
    const reply = await ask(`${world.house.url}/v1/imagefile/e/c/large:t?arch=amd64`)
    expect([reply.status, reply.headers.location, reply.headers['content-length']]).toEqual([303, world.house.url + path, '0'])
    expect((await ask(`${world.house.url}/library/lab/v1/imagefile/e/c/large:t`)).headers.location).toBe(world.house.url + path)
  })

  test('is given as it is where it is one part, asked for in part, or asked about', async () => {
    expect((await ask(`${world.house.url}/v1/imagefile/e/c/small:t`)).status).toBe(200)
    const some = await ask(`${world.house.url}/v1/imagefile/e/c/large:t`, { headers: { range: 'bytes=1-3' } })
    expect([some.status, some.body.equals(bytes.subarray(1, 4))]).toEqual([206, true])
    const head = await ask(`${world.house.url}/v1/imagefile/e/c/large:t`, { method: 'HEAD' })
    expect([head.status, head.headers['content-length']]).toEqual([200, String(size)])
  })

  test('is given as it is where nobody knows how clients reach us', async () => {
    await using wild = await createLibraryWorld({ house: { more: { listen: { host: '0.0.0.0', port: 0 } } } })
    wild.library.push('e/c/n:t', bytes)
    expect((await pullFromLibrary(wild.house.url, 'e/c/n:t')).why).toBeUndefined()
    await wild.stored('e/c/n:t')
    expect((await ask(`${wild.house.url}/v1/imagefile/e/c/n:t`)).status).toBe(200)
  })

  test.each([512 * KiB, MiB, 5 * MiB, 7 * MiB])('is whole again from parts of %i bytes', async (partBytes) => {
    const pulled = await pullFromLibrary(world.house.url, 'e/c/large:t', { partBytes })
    expect(pulled).toMatchObject({ why: undefined, parts: Math.ceil(size / partBytes) })
  })

  test('is given whole to who follows the redirect like any other', async () => {
    const reply = await ask(world.house.url + path)
    expect([reply.status, reply.body.equals(bytes)]).toEqual([200, true])
  })
})

describe('a part', () => {
  test.each([
    ['bytes=0-1024', 0, 1025],
    ['bytes=0-0', 0, 1],
    [`bytes=${size - 10}-${size - 1}`, size - 10, size],
    [`bytes=${size - 10}-`, size - 10, size],
    ['bytes=-10', size - 10, size],
    [`bytes=0-${size - 1}`, 0, size],
  ])('%s is 206 with exactly these bytes', async (range, start, end) => {
    const reply = await ask(world.house.url + path, { headers: { range } })
    expect([reply.status, reply.headers['content-range'], reply.headers['content-length']]).toEqual([
      206,
      `bytes ${start}-${end - 1}/${size}`,
      String(end - start),
    ])
    expect(reply.body.equals(bytes.subarray(start, end))).toBe(true)
  })

  test.each([
    ['past the end', `bytes=${size}-${size + 9}`, ''],
    ['that ends past the end', `bytes=${size - 10}-${size}`, ''],
    ['with its ends swapped', 'bytes=9-3', ''],
    ['of several', 'bytes=0-1,4-5', ''],
    ['that is none', 'bytes=', ''],
    ['in another unit', 'items=0-1', ''],
    ['of nothing', 'bytes=-0', ''],
    ['of more than there is', `bytes=-${size + 1}`, ''],
    ['of another version', 'bytes=0-1', 'If-Range: "other"\r\n'],
  ])('%s breaks the connection, without a byte', async (_which, range, more) => {
    expect(await part(range, more)).toBe('')
  })

  test('of what is unknown breaks the connection', async () => {
    const { host } = world.house
    const request = (target: string) => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nRange: bytes=0-9\r\nConnection: close\r\n\r\n`
    expect(await askRaw(host, request(`/blobs/sha256/${'0'.repeat(64)}?part=1`))).toBe('')
    expect(await askRaw(host, request('/blobs/sha256/short?part=1'))).toBe('')
    // Who looks at statuses is told one.
    expect(await askRaw(host, request(`/blobs/sha256/${'0'.repeat(64)}`))).toMatch(/^HTTP\/1\.1 404 /)
  })

  test('of what is known and not here breaks the connection, and nobody is asked', async () => {
    await using other = await createLibraryWorld()
    other.library.push('e/c/n:t', bytes)
    await ask(`${other.house.url}/v1/images/e/c/n:t`)
    const before = other.library.requests.length
    const request = `GET ${path} HTTP/1.1\r\nHost: ${other.house.host}\r\nRange: bytes=0-9\r\n\r\n`
    expect(await askRaw(other.house.host, request)).toBe('')
    expect(other.library.requests.length).toBe(before)
  })

  test('of what is damaged is cut, and the image is fetched again', async () => {
    await using folder = await tempFolder()
    const store = { path: folder.path, memory: '0KiB' }
    await using other = await createLibraryWorld({ house: { storePath: folder.path, more: { store } } })
    other.library.push('e/c/n:t', bytes)
    await pullFromLibrary(other.house.url, 'e/c/n:t')
    await other.stored('e/c/n:t')
    const find = async (ending: string) => (await filesBelow(folder.path)).find((one) => one.endsWith(ending))
    await until(async () => (await find(`${hex}.pieces`)) !== undefined, 'all that is written down of it') // its size, too
    await truncate(join(folder.path, (await find(hex))!), MiB)
    const { host } = other.house
    const range = `bytes=${MiB - 10}-${2 * MiB - 1}`
    const said = await askRaw(host, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nRange: ${range}\r\n\r\n`)
    expect(said.length).toBeLessThan(2 * KiB)
    expect(await pullFromLibrary(other.house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(bytes) })
    expect(other.library.transfers).toBe(2)
  })

  test('on a connection that is kept leaves it in order', async () => {
    const { host } = world.house
    const get = (range: string) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nRange: ${range}\r\n\r\n`
    const said = await askRaw(host, get('bytes=0-9') + get('bytes=10-19') + get(`bytes=${size}-`))
    expect(said.match(/HTTP\/1\.1 (\d+)/g)).toEqual(['HTTP/1.1 206', 'HTTP/1.1 206'])
  })
})
