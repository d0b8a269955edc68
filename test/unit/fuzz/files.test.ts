import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { hashToken, readTokens } from '../../../src/access/tokens.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { type BlobId, parseDigest } from '../../../src/model/digest.ts'
import { isFault } from '../../../src/model/fault.ts'
import { printHeader, printState } from '../../../src/store/journal.ts'
import { piecesFile } from '../../../src/store/places.ts'
import { createSidecars } from '../../../src/store/sidecars.ts'
import { readJournal } from '../../../src/store/spool.ts'
import { dockerConfigCredentials } from '../../../src/upstream/credentials.ts'
import { anyText, bytesOfText, fuzzing, fuzzPatience, fuzzRuns, spoiltJson } from '../../kit/fuzz.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
beforeAll(async () => {
  folder = await tempFolder()
  vi.stubEnv('PATH', folder.path) // no credential helper of this machine is to be run
})
afterAll(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

let inputs = 0
afterAll(() => expect(inputs, 'files in all').toBeGreaterThanOrEqual(fuzzRuns(1_700)))

const patience = { timeout: fuzzPatience(120_000) }
const json = (value: unknown) => JSON.stringify(value)

async function each(runs: number, texts: fc.Arbitrary<string>, read: (text: string) => unknown): Promise<void> {
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      inputs++
      await read(text)
    }),
    fuzzing(runs) as fc.Parameters<[string]>,
  )
}

async function written(name: string, text: string): Promise<string> {
  const path = join(folder.path, name)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, bytesOfText(text))
  return path
}

describe('settings', () => {
  const settings = {
    listen: [
      { host: '127.0.0.1', port: 8080 },
      { host: '::', port: 8443, tls: { certificate: 'a.crt', key: 'a.key' } },
    ],
    publicUrl: 'https://forebay.example',
    limits: { connections: 5, headersTimeout: '20s', headerSize: '16KiB' },
    store: { path: './data', quota: '5GB', minFree: '10GB', pins: ['a/*'] },
    access: {
      anonymous: 'none',
      users: { file: 'u' },
      rules: [{ upstream: 'lab', repositories: ['a/*'], users: ['bob'], allow: 'pull' }],
    },
    upstreams: {
      'docker.io': {
        kind: 'oci',
        url: 'https://registry-1.docker.io',
        hosts: ['hub.example'],
        credentials: { dockerConfig: '~/c.json' },
      },
      lab: { kind: 'library', url: 'https://lab.example', credentials: { token: { env: 'LAB_TOKEN' } }, mirrors: [] },
      data: {
        kind: 'files',
        url: 'https://data.example/pub',
        metalink: true,
        checksums: true,
        mirrors: [{ kind: 'files', url: 'https://m.example' }],
      },
    },
    defaults: { oci: 'docker.io', library: 'lab' },
    outbound: { allow: ['10.0.0.0/8', 'a.example:80'], noProxy: ['b.example'], connectTimeout: '5s' },
    log: { level: 'info' },
  }
  const yaml =
    'upstreams:\n  lab: &lab\n    kind: oci\n    url: https://lab.example\ndefaults: { oci: lab }\nstore:\n  quota: 5GB\n'
  /** The mistakes that are told of them. */
  const mistakesIn = (text: string): readonly string[] => {
    try {
      loadConfig('settings.yaml', {}, { text, relativeTo: '/' })
      return []
    } catch (error) {
      if (!isFault(error, 'config-invalid')) throw error
      return error.details.mistakes
    }
  }

  test('that are right are taken', () => {
    expect(mistakesIn(json(settings))).toEqual([])
    expect(mistakesIn(yaml)).toEqual([])
  })

  test('are taken, or every mistake in them is told', patience, async () => {
    const texts = fc.oneof(spoiltJson([json(settings)]), anyText([yaml, json(settings)]))
    await each(400, texts, (text) => {
      for (const mistake of mistakesIn(text)) expect(mistake).not.toBe('')
    })
  })
})

test('a docker config is of use, or logged', patience, async () => {
  const seeds = [
    json({
      auths: {
        'registry.example': { auth: Buffer.from('ada:secret').toString('base64') },
        'https://registry.example': { identitytoken: 'x' },
      },
    }),
    json({ auths: { 'registry.example': { username: 'ada', password: 'secret' } }, credHelpers: { 'other.example': 'x' } }),
    json({ auths: { 'registry.example': { registrytoken: 'abc' } } }),
  ]
  let at = 0
  await each(
    500,
    fc.oneof({ weight: 3, arbitrary: spoiltJson(seeds) }, { weight: 1, arbitrary: anyText(seeds) }),
    async (text) => {
      const log = createRecordedLog()
      const found = await dockerConfigCredentials(await written(`docker-${at++ % 50}.json`, text), 'registry.example', log)()
      for (const [name, value] of Object.entries(found ?? {})) expect([name, typeof value]).toEqual([name, 'string'])
      expect(json(log.lines)).not.toContain('secret')
    },
  )
})

test('a token that is kept is whole, or damaged', patience, async () => {
  const seed = json({ id: 'a1'.repeat(6), name: 'ci', createdAt: 5, expiresAt: 9, sha256: hashToken('x') })
  await each(400, fc.oneof(spoiltJson([seed]), anyText([seed])), async (text) => {
    await written(`tokens/${'a1'.repeat(6)}.json`, text)
    const { tokens, damaged } = await readTokens(folder.path)
    expect(tokens.length + damaged.length).toBe(1)
    for (const { name, sha256, createdAt } of tokens) {
      expect([typeof createdAt, sha256]).toEqual(['number', expect.stringMatching(/^[0-9a-f]{64}$/)])
      expect(name).toMatch(/^[A-Za-z0-9][A-Za-z0-9._@-]*$/)
    }
  })
})

test('hashes of pieces fit their blob, or there are none', patience, async () => {
  const id = parseDigest(`sha256:${'a1'.repeat(32)}`) as BlobId
  const sidecars = createSidecars({ path: folder.path, log: createRecordedLog() })
  const path = piecesFile('', id)
  const lengths = fc.oneof(
    fc.nat(200),
    fc.nat(20).map((count) => 32 * count),
  )
  await each(
    200,
    fc.tuple(lengths, fc.nat(9)).map(([length, size]) => `${size}${'x'.repeat(length)}`),
    async (text) => {
      const size = Number(text[0]) * 7_000_000
      await written(path, text.slice(1))
      const read = await sidecars.readPieces(id, size)
      if (read) expect(read.hashes.length).toBe(32 * Math.ceil(size / read.length))
    },
  )
})

test('a journal of a spool is believed as far as it is whole', patience, async () => {
  const seed =
    printHeader('k', 'boot') +
    printState({ held: [{ start: 0, end: 9 }], durable: [{ start: 0, end: 4 }], note: { size: 20, validator: '"v"' } })
  await each(200, anyText([seed]), async (text) => {
    const read = await readJournal(await written('spool.journal', text))
    for (const { start, end } of [...(read?.state.held ?? []), ...(read?.state.durable ?? [])]) expect(start).toBeLessThan(end)
  })
})
