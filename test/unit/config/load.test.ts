import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { isFault } from '../../../src/model/fault.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

const least = 'upstreams: { lab: { kind: oci, url: "https://lab.example" } }\n'
let folder: TempFolder
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

function load(text: string, env: NodeJS.ProcessEnv = {}) {
  const file = join(folder.path, 'site.yaml')
  writeFileSync(file, text)
  return loadConfig(file, env)
}

/** What is said to be wrong; empty when nothing is. */
function mistakes(text: string, env: NodeJS.ProcessEnv = {}): readonly string[] {
  try {
    load(text, env)
    return []
  } catch (error) {
    if (isFault(error, 'config-invalid')) return error.details.mistakes
    throw error
  }
}

describe('what is written is what is used', () => {
  test('with one upstream and nothing else, the rest has defaults', () => {
    const config = load(least)
    expect(config.listen).toEqual([{ host: '127.0.0.1', port: 8080, redirect: false }])
    expect(config.store).toMatchObject({ path: join(folder.path, 'data'), memory: 256 * 2 ** 20 })
    expect(config.records.url).toBe(`sqlite:${join(folder.path, 'data', 'records.db')}`)
    expect(config.defaults.oci).toBeUndefined()
    expect(config.drainTimeout).toBe(30_000)
  })

  test('relative paths are relative to the file, absolute ones are kept', () => {
    const config = load(
      `${least}store: { path: ../kept }\noutbound: { ca: [ca.pem, /etc/ca.pem] }\nrecords: { url: "sqlite:r.db" }`,
    )
    expect(config.store.path).toBe(join(folder.path, '..', 'kept'))
    expect(config.outbound.ca).toEqual([join(folder.path, 'ca.pem'), '/etc/ca.pem'])
    expect(config.records.url).toBe(`sqlite:${join(folder.path, 'r.db')}`)
  })

  test('one listener may stand without a list', () => {
    expect(load(`${least}listen: { host: "::", port: 0 }`).listen).toMatchObject([{ host: '::', port: 0 }])
    expect(load(`${least}listen: [{ port: 1 }, { port: 2 }]`).listen.map(({ port }) => port)).toEqual([1, 2])
  })

  test('keys are found relative to the file, and a signing key is printed by nobody', () => {
    writeFileSync(join(folder.path, 'key.asc'), 'the key\n')
    const config = load(
      `${least.trim().replace(' }', ', signatures: { keys: [a.asc, /etc/b.asc] } }')}
signing: { key: { file: key.asc }, passphrase: { env: WORDS } }`,
      { WORDS: 'open sesame' },
    )
    expect([...config.upstreams.values()][0]!.signatures).toEqual({
      keys: [join(folder.path, 'a.asc'), '/etc/b.asc'],
      required: false,
    })
    expect([config.signing!.key.read(), config.signing!.passphrase!.read()]).toEqual(['the key', 'open sesame'])
    expect(JSON.stringify(config.signing)).not.toMatch(/the key|sesame/)
  })

  test('the file that comes along is valid, and knows Docker Hub', () => {
    const config = loadConfig('config/default.yaml', {}, { relativeTo: '/srv' })
    expect(config.store.path).toBe('/srv/data')
    expect(config.upstreams.get(config.defaults.oci!)?.url.host).toBe('registry-1.docker.io')
  })
})

describe('variables', () => {
  test('win over the file', () => {
    const config = load(`${least}listen: { port: 1 }\nstore: { memory: 1MiB, path: ./x }`, {
      FOREBAY_LISTEN_PORT: '9',
      FOREBAY_STORE_MEMORY: '2MiB',
      FOREBAY_LOG_ACCESS: 'false',
      FOREBAY_OUTBOUND_ALLOW: '[10.0.0.0/8]',
      FOREBAY_UPSTREAMS: 'other: { kind: oci, url: "https://other.example" }',
    })
    expect(config.listen).toMatchObject([{ host: '127.0.0.1', port: 9 }])
    expect(config.store).toMatchObject({ path: join(folder.path, 'x'), memory: 2 * 2 ** 20 })
    expect(config.log.access).toBe(false)
    expect(config.outbound.allow).toEqual(['10.0.0.0/8'])
    expect([...config.upstreams.keys()]).toEqual(['lab', 'other'])
  })

  test('that mean nothing are mistakes', () => {
    expect(mistakes(least, { FOREBAY_STORE_PAHT: '/x' })).toEqual([
      expect.stringMatching(/^FOREBAY_STORE_PAHT: .*FOREBAY_STORE_PATH,/),
    ])
    expect(mistakes(least, { FOREBAY_constructor: '/x' })).toHaveLength(1)
  })

  test('that a secret is read from may begin with FOREBAY_', () => {
    const text = 'upstreams: { a: { kind: oci, url: "https://a", credentials: { username: u, password: { env: FOREBAY_HUB } } } }'
    expect(mistakes(text, { FOREBAY_HUB: 'x' })).toEqual([])
    expect(mistakes(least, { FOREBAY_HUB: 'x' })).toHaveLength(1)
  })

  test('that are not YAML are named', () => {
    expect(mistakes(least, { FOREBAY_LISTEN_PORT: '[' })).toEqual([expect.stringMatching(/^FOREBAY_LISTEN_PORT: .* at line 1/)])
  })

  test('of proxies are used where the file says nothing', () => {
    const env = { HTTPS_PROXY: 'http://env.example:1', no_proxy: 'a.example,b.example' }
    expect(load(least, env).outbound.proxies).toMatchObject({ no: ['a.example', 'b.example'], http: undefined })
    expect(load(least, env).outbound.proxies.https?.host).toBe('env.example:1')
    const own = load(`${least}outbound: { httpsProxy: "http://own.example:2", noProxy: [] }`, env).outbound.proxies
    expect([own.https?.host, own.no]).toEqual(['own.example:2', []])
  })
})

describe('a signing key that stands in the file itself', () => {
  test('is a mistake, which does not repeat it', () => {
    const [mistake = '', ...more] = mistakes(
      `${least}signing: { key: "-----BEGIN PGP PRIVATE KEY BLOCK-----", passphrase: sesame }`,
    )
    expect([mistake, ...more].join()).toMatch(/^signing\.key: expected \{ file: PATH \}/)
    expect([mistake, ...more].join()).not.toMatch(/BEGIN|sesame/)
  })
})

describe('mistakes', () => {
  test('all are told at once, each with its path, what is there and what was expected', () => {
    const found = mistakes(
      `listen: { port: 99999 }
store: { pth: ./x, memory: 12 lots }
records: { url: "mysql://x" }
upstreams:
  docker.io: { kind: torrent, url: "ftp://x", freshFor: soon }
  a: { kind: oci, url: "https://x", hosts: [UPPER], maxConnections: 0 }
  Upper: { kind: oci, url: "https://x" }
  twice: { kind: oci, url: "https://y", hosts: [a] }
defaults: { oci: nobody }
outbound: { allow: [10.0.0.0/99] }
log: { level: loud }
drainTimout: 3s`,
      { FOREBAY_TRANSFER_MAX_FILLS: 'many' },
    )
    for (const expected of [
      /^listen\.port: 99999 is wrong: .*65535/,
      /^store\.pth: there is no such setting; did you mean "path"\?/,
      /^store\.memory: "12 lots" is wrong: expected a size such as/,
      /^records\.url: "mysql:\/\/x" is wrong: expected sqlite:PATH/,
      /^upstreams\.docker\.io\.kind: "torrent" is wrong: expected one of "oci"/,
      /^upstreams\.docker\.io\.url: "ftp:\/\/x" is wrong: expected an http or https URL/,
      /^upstreams\.docker\.io\.freshFor: "soon" is wrong: expected a duration such as/,
      /^upstreams\.a\.hosts\.0: "UPPER" is wrong: expected a host name/,
      /^upstreams\.a\.maxConnections: 0 is wrong: .*>=1/,
      /^upstreams\.Upper: expected a host name in lower case/,
      /^upstreams\.twice\.hosts: "a" is taken by a already/,
      /^defaults\.oci: "nobody" is none of the upstreams docker\.io, a/,
      /^outbound\.allow\.0: "10\.0\.0\.0\/99" is wrong: expected host:port or a network/,
      /^log\.level: "loud" is wrong: expected one of "debug"/,
      /^drainTimout: there is no such setting; did you mean "drainTimeout"\?/,
      /^transfer\.maxFills: "many" is wrong: expected number/,
    ])
      expect(found).toContainEqual(expect.stringMatching(expected))
    expect(found).toHaveLength(16)
  })

  test.each([
    ['upstreams:\n  a: { kind: oci, url: "https://u:sesame@x" }'],
    ['upstreams:\n  a: { kind: oci, url: "htps://u:sesame@x" }'],
    ['upstreams:\n  a: { kind: oci, url: "https://x", credentials: { username: u, password: sesame } }'],
    ['upstreams:\n  a: { kind: oci, url: "https://x", credentials: { username: u, password: { value: sesame } } }'],
    [`${least}outbound: { httpProxy: "htp://u:sesame@proxy" }`],
    [`${least}records: { url: "redi://u:sesame@x/0" }`],
  ])('a secret in the wrong place is not repeated: %j', (text) => {
    const found = mistakes(text)
    expect(found.length).toBeGreaterThan(0)
    expect(found.join('\n')).not.toContain('sesame')
  })

  test.each([
    ['a file that is not there', () => loadConfig('/nonexistent/site.yaml', {}), 'cannot be read: ENOENT'],
    ['a folder', () => loadConfig('/tmp', {}), 'cannot be read: EISDIR'],
    ['broken YAML', () => load('upstreams: ['), 'at line'],
    ['a key given twice', () => load(`${least}${least}`), 'unique'],
    ['a list', () => load('- a'), 'expected sections such as "upstreams:"'],
    ['a word', () => load('hello'), 'expected sections such as "upstreams:"'],
    ['nothing', () => load(''), 'upstreams: expected upstreams by name'],
    ['no upstream', () => load('upstreams: {}'), 'expected at least one upstream'],
  ])('%s is told as it is', (_what, read, why) => expect(read).toThrow(why))

  test('who is asked as whoever asks has no other credentials, and no rule is about it', () => {
    const lab = 'kind: oci, url: "https://lab.example", rights: caller'
    expect(mistakes(`upstreams: { lab: { ${lab} } }`)).toEqual([])
    expect(
      mistakes(`upstreams: { lab: { ${lab}, credentials: { token: { env: LAB } } } }
access: { rules: [{ upstream: lab, allow: pull }, { upstream: "*", allow: none }] }`),
    ).toEqual([
      'access.rules.0.upstream: "lab" says itself who may read what (rights: caller)',
      'upstreams.lab.credentials: with rights: caller it is asked as whoever asks here, and never as somebody else',
    ])
  })

  test('an alias bomb does not fill the memory', () => {
    const lines = ['a: &a0 [x, x, x, x, x, x, x, x, x]']
    for (let depth = 1; depth < 30; depth++)
      lines.push(
        `b${depth}: &a${depth} [${Array(9)
          .fill(`*a${depth - 1}`)
          .join(', ')}]`,
      )
    expect(mistakes(lines.join('\n'))).toEqual([expect.stringContaining('alias')])
  })
})
