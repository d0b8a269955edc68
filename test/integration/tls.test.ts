import { copyFile, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { isFault } from '../../src/model/fault.ts'
import { ask, askHashed } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { clientsCaFile, tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { createWorld, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const MiB = 1024 * 1024
let folder: TempFolder
beforeEach(async () => {
  folder = await tempFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())

type Settings = Readonly<Record<string, unknown>>

/** Files of a listener that a test may change. */
async function placed(name: 'server' | 'next' | 'expired'): Promise<{ certificate: string; key: string }> {
  const files = { certificate: join(folder.path, 'tls.crt'), key: join(folder.path, 'tls.key') }
  await copyFile(tlsFiles(name).certificate, files.certificate)
  await copyFile(tlsFiles(name).key, files.key)
  return files
}

function secure(tls: Settings, more: Settings = {}): WorldOptions['house'] {
  return { more: { listen: { host: '127.0.0.1', port: 0, tls }, ...more } }
}

/** A handshake: its outcome as the client sees it. The caller ends the socket. */
function handshake(url: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: hostname, port: Number(port), ca: trustedAuthorities(), ...options }, () => resolve(socket))
    socket.once('error', reject)
  })
}

async function issuerAt(url: string): Promise<string> {
  const socket = await handshake(url)
  const { issuer } = socket.getPeerCertificate()
  socket.destroy()
  return String(issuer.CN)
}

/** What a request with that certificate gets: a status, or undefined where it gets no answer. */
function statusWith(url: string, tls: ConnectionOptions): Promise<number | undefined> {
  return ask(`${url}/v2/`, { tls }).then(
    ({ status }) => status,
    () => undefined,
  )
}

describe('a listener with a certificate', () => {
  test('serves pulls over TLS 1.2 and 1.3, and nothing older', async () => {
    await using world = await createWorld({ house: secure(tlsFiles('server')) })
    const tool = image({ layers: [3 * MiB] })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(world.house.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/)
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const tls = { minVersion: version, maxVersion: version }
      const manifest = await ask(world.manifest('lab/tool', 'v1'), { tls })
      expect(manifest).toMatchObject({ status: 200, sha256: tool.manifest.digest })
      const layer = await ask(world.blob('lab/tool', tool.blobs[1]!.digest), { tls })
      expect(layer).toMatchObject({ status: 200, end: 'clean', sha256: tool.blobs[1]!.digest })
    }
    const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
    await expect(handshake(world.house.url, old)).rejects.toThrow()
    await expect(handshake(world.house.url, { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' })).rejects.toThrow()
  })

  test('lets what is under way end when it stops, and cuts what takes too long', async () => {
    const world = await createWorld({ house: secure({ ...tlsFiles('server'), http2: false }, { drainTimeout: '6s' }) })
    const [quick, late] = [blob(2 * MiB, 'quick'), blob(2 * MiB, 'late')]
    for (const layer of [quick, late]) world.upstream.pushBlob('lab/tool', layer)
    const gates = [quick, late].map(({ digest }) => world.upstream.hold({ path: digest, method: 'GET' }))
    const replies = [quick, late].map(({ digest }) => askHashed(world.blob('lab/tool', digest)))
    for (const gate of gates) {
      gate.release(MiB + MiB / 2)
      await gate.sent(MiB + MiB / 2)
    }
    await world.house.requestsOpen(2)
    const idle = await handshake(world.house.url)
    const ended = new Promise((go) => idle.once('close', go))
    idle.resume()
    const stopped = world.house.stop()
    await ended
    gates[0]!.open()
    expect(await replies[0]).toMatchObject({ status: 200, end: 'clean', sha256: quick.digest })
    expect(await replies[1]).toMatchObject({ status: 200, end: 'cut' })
    await world.upstream.close()
    await stopped
    await world[Symbol.asyncDispose]()
  })

  test('gives out https URLs, without being told the public one', async () => {
    await using world = await createWorld({ house: secure(tlsFiles('server')) })
    const tool = image()
    world.upstream.push('lab/tool', tool, 'v1')
    const { headers } = await ask(world.manifest('lab/tool', tool.manifest.digest))
    expect(headers.link).toContain(`<${world.house.url}/blobs/sha256/`)
  })

  test('cuts a body that HTTP/1.0 has no length for so that nobody takes it for whole', async () => {
    await using world = await createWorld({ house: secure(tlsFiles('server')) })
    const layer = blob(4 * MiB, 'cut')
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ path: layer.digest, method: 'GET' }, { length: 'chunked', flipAt: 3 * MiB })
    const socket = await handshake(world.house.url, { ALPNProtocols: ['http/1.1'] })
    const path = new URL(world.blob('lab/tool', layer.digest)).pathname
    socket.write(`GET ${path} HTTP/1.0\r\nHost: ${world.house.host}\r\n\r\n`)
    const end = await new Promise<string>((resolve) => {
      let bytes = 0
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      socket.once('error', () => resolve(`reset after ${bytes > MiB ? 'some of it' : bytes}`))
      socket.once('end', () => resolve('clean end'))
    })
    socket.destroy()
    expect(end).toBe('reset after some of it')
  })

  test.each([
    [
      'that is not there',
      { certificate: '/nowhere/tls.crt', key: tlsFiles('next').key },
      /^listen\.0\.tls\.certificate: \/nowhere\/tls\.crt: there is no such file$/,
    ],
    ['that has expired', tlsFiles('expired'), /^listen\.0\.tls\.certificate: .*expired\.pem: it expired at 2020-02-01/],
    [
      'that is none',
      { certificate: tlsFiles('next').key, key: tlsFiles('next').key },
      /^listen\.0\.tls\.certificate: .*next\.key: there is no certificate in it/,
    ],
    [
      'whose key is another',
      { certificate: tlsFiles('server').certificate, key: tlsFiles('next').key },
      /^listen\.0\.tls\.key: .*next\.key: it does not belong to the certificate in .*server\.pem$/,
    ],
    [
      'whose key is none',
      { certificate: tlsFiles('server').certificate, key: clientsCaFile },
      /^listen\.0\.tls\.key: .*clients-ca\.pem: there is no private key/,
    ],
  ])('%s stops the start, and says why', async (_what, files, why) => {
    const started = createWorld({ house: secure(files) }).then(
      async (world) => {
        await world[Symbol.asyncDispose]()
        return undefined
      },
      (error) => (isFault(error, 'config-invalid') ? error.details.mistakes : [String(error)]),
    )
    const mistakes = await started
    expect(mistakes).toEqual([expect.stringMatching(why)])
    expect(mistakes!.join()).not.toContain('PRIVATE')
  })
})

describe('certificates of clients', () => {
  const own = async (name: 'client' | 'stranger') => {
    const { certificate, key } = tlsFiles(name)
    return { cert: await readFile(certificate), key: await readFile(key) }
  }

  test('are demanded where an authority for them is named', async () => {
    await using world = await createWorld({ house: secure({ ...tlsFiles('server'), clientCa: clientsCaFile }) })
    expect(await statusWith(world.house.url, await own('client'))).toBe(200)
    expect(await statusWith(world.house.url, await own('stranger'))).toBeUndefined()
    expect(await statusWith(world.house.url, {})).toBeUndefined()
  })

  test('may be left out where they are optional, but not be others', async () => {
    const tls = { ...tlsFiles('server'), clientCa: clientsCaFile, clientCertificate: 'optional' }
    await using world = await createWorld({ house: secure(tls) })
    expect(await statusWith(world.house.url, await own('client'))).toBe(200)
    expect(await statusWith(world.house.url, {})).toBe(200)
    expect(await statusWith(world.house.url, await own('stranger'))).toBeUndefined()
  })
})

describe('a certificate that is replaced', () => {
  const downloads = 100

  test('is used by who connects then, and none of a hundred running downloads notices', async () => {
    const files = await placed('server')
    await using world = await createWorld({ house: secure(files), clock: createHurriedClock(20) })
    const layer = blob(4 * MiB, 'rotation')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: layer.digest, method: 'GET' })
    const url = world.blob('lab/tool', layer.digest)
    const running = Array.from({ length: downloads }, () => askHashed(url))
    gate.release(2 * MiB)
    await gate.sent(2 * MiB)
    await world.house.requestsOpen(downloads)
    expect(await issuerAt(world.house.url)).toBe('Forebay test authority')
    await placed('next')
    await until(
      async () => (await issuerAt(world.house.url)) === 'Forebay test authority, the next',
      'the new certificate',
      20_000,
    )
    gate.open()
    for (const reply of await Promise.all(running))
      expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
    expect(await ask(url)).toMatchObject({ status: 200, sha256: layer.digest })
  })

  test('by one of no use is not: the one of before stays, and the log says so without the key', async () => {
    const log: RecordedLog = createRecordedLog()
    const files = await placed('server')
    await using world = await createWorld({ house: secure(files), clock: createHurriedClock(20), log })
    await writeFile(files.key, await readFile(tlsFiles('next').key))
    await until(() => log.events.includes('tls.refused'), 'tls.refused')
    const line = JSON.stringify(log.lines.find(({ event }) => event === 'tls.refused'))
    expect(line).toContain(`${files.key}: it does not belong to the certificate in ${files.certificate}`)
    expect(line).not.toContain('PRIVATE')
    expect(await issuerAt(world.house.url)).toBe('Forebay test authority')
    await placed('next')
    await until(() => log.events.includes('tls.loaded'), 'tls.loaded')
    expect(await issuerAt(world.house.url)).toBe('Forebay test authority, the next')
  })
})
