import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { until } from '../kit/disk.ts'
import { fuzzing, fuzzPatience, fuzzRuns, nasties } from '../kit/fuzz.ts'
import { connectH2 } from '../kit/h2.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { createWorld, lab, type World } from '../kit/world.ts'

expectNoLeaks()

const atOnce = 25
const patienceMs = 20_000
const limits = { headersTimeout: '2s', requestTimeout: '4s' }
const tool = image({ seed: 'sockets', layers: [3000] })
const path = `/v2/${lab}/lab/tool/manifests/v1`

let connections = 0
afterAll(() => expect(connections, 'connections in all').toBeGreaterThanOrEqual(fuzzRuns(5_000)))

/** What a client does to one connection. */
interface Attack {
  readonly writes: readonly string[] // latin1, each in a packet of its own if the system likes
  readonly lastly: 'end' | 'reset' | 'wait' // waits for the server to end it
}

/** Everything that came back before the connection was over. */
async function attack(socket: Socket, { writes, lastly }: Attack): Promise<string> {
  connections++
  const chunks: Buffer[] = []
  const over = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy()
      reject(new Error(`still open after ${patienceMs} ms: ${JSON.stringify([writes, lastly]).slice(0, 600)}`))
    }, patienceMs)
    socket.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  for (const bytes of writes) {
    if (!socket.writable) break
    await new Promise<void>((go) => socket.write(Buffer.from(bytes, 'latin1'), () => go()))
  }
  if (lastly === 'end') socket.end()
  if (lastly === 'reset') socket.resetAndDestroy()
  await over
  return Buffer.concat(chunks).toString('latin1')
}

/** Answers, one after the other, none of which is the server's own failure. */
function expectAnswers(wire: string, of: Attack): void {
  const first = /^HTTP\/1\.[01] (\d{3}) /.exec(wire)
  const failed = /(?:^|\r\n\r\n|\n)HTTP\/1\.1 5(?!0[234])\d\d /.exec(wire)
  if (wire === '' || (first && !failed)) return
  throw new Error(`${JSON.stringify(wire.slice(0, 200))} came back for ${JSON.stringify(of).slice(0, 600)}`)
}

function address(world: World): { port: number; host: string } {
  const { port, hostname } = new URL(world.house.url)
  return { port: Number(port), host: hostname }
}

async function untilQuiet(world: World): Promise<void> {
  await until(async () => (await world.house.metric('edge_requests_open')) === 0, 'nobody is answered', patienceMs)
}

describe('a plain listener', () => {
  let world: World
  beforeAll(async () => {
    world = await createWorld({ settings: { freshFor: '1h' }, house: { more: { limits } } })
    world.upstream.push('lab/tool', tool, 'v1')
    await ask(world.manifest('lab/tool', 'v1'))
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const target = fc.constantFrom(path, '/', '/v2/', '*', 'http://evil.example/v2/', 'example.org:443', '/files/x', '/%', '')
  const method = fc.constantFrom(
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'CONNECT',
    'OPTIONS',
    'PRI',
    'get',
    'G E T',
    '',
    'GET\0',
    'X'.repeat(200),
  )
  const version = fc.constantFrom(
    'HTTP/1.1',
    'HTTP/1.1',
    'HTTP/1.1',
    'HTTP/1.0',
    'HTTP/0.9',
    'HTTP/2.0',
    'HTTP/9.9',
    'HTTP/1.1 x',
    '',
    'ICY',
  )
  const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '\0\r\n')
  const line = fc.oneof(
    fc.constantFrom(
      ...[
        'Host: x',
        'Host: x',
        'Host: y',
        'Host:',
        'Host : x',
        ' Host: x',
        'Content-Length: 5',
        'Content-Length: 6',
        'Content-Length: -1',
      ],
      ...['Content-Length: 1, 1', 'Content-Length: 0x5', 'Content-Length: 99999999999999999999', 'Transfer-Encoding: chunked'],
      ...[
        'Transfer-Encoding: gzip, chunked',
        'Transfer-Encoding : chunked',
        'Transfer-Encoding: \x0bchunked',
        'Connection: close',
      ],
      ...[
        'Connection: upgrade',
        'Upgrade: websocket',
        'Upgrade: h2c',
        'HTTP2-Settings: AAMAAABk',
        'Expect: 100-continue',
        'Expect: x',
      ],
      ...[
        'Connection: keep-alive',
        'Range: bytes=0-5',
        'X: a\0b',
        'X: \xff\xfe',
        '\xff: x',
        ': x',
        'X',
        `X: ${'y'.repeat(20_000)}`,
        'Trailer: X',
      ],
    ),
    fc.tuple(fc.constantFrom('X', 'Host', 'Cookie'), fc.constantFrom(...nasties)).map(([name, value]) => `${name}: ${value}`),
  )
  const body = fc.constantFrom(
    ...[
      '',
      '',
      '',
      'hello',
      '5\r\nhello\r\n0\r\n\r\n',
      '5\r\nhel',
      'zz\r\n',
      '-1\r\n\r\n',
      'ffffffffffffffff\r\n',
      '5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\n',
    ],
    ...[`5;${'a'.repeat(20_000)}\r\n`, '0\r\n\r\n', '\r\n\r\n\r\n', '\0'.repeat(50)],
  )
  const request = fc
    .tuple(method, target, version, end, fc.array(line, { maxLength: 5 }), body)
    .map(([verb, what, spoken, ending, lines, sent]) => [`${verb} ${what} ${spoken}`, ...lines, '', sent].join(ending))
  const good = fc.constant(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  const garbage = fc.oneof(
    fc.constantFrom(
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      '\x16\x03\x01\x00\xff\x01\x00\x00\xfb\x03\x03',
      'hello\r\n\r\n',
      '\r\n'.repeat(2_000),
      '\0',
    ),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    fc.array(fc.constantFrom(...nasties), { maxLength: 6 }).map((pieces) => pieces.join('')),
  )
  const message = fc.oneof({ weight: 5, arbitrary: request }, { weight: 2, arbitrary: good }, { weight: 2, arbitrary: garbage })
  const bytes = fc
    .tuple(fc.array(message, { minLength: 1, maxLength: 4 }), fc.option(fc.nat(400), { freq: 3 }))
    .map(([messages, cut]) => messages.join('').slice(0, cut === null ? undefined : cut))
  const attacks: fc.Arbitrary<Attack> = fc
    .tuple(bytes, fc.nat(200), fc.constantFrom<Attack['lastly']>('end', 'end', 'end', 'end', 'reset'))
    .map(([whole, at, lastly]) => ({ writes: [whole.slice(0, at), whole.slice(at)].filter((part) => part !== ''), lastly }))

  const begin = () => connectPlain({ ...address(world), noDelay: true })

  test('answers what is no request, or ends the connection', { timeout: fuzzPatience(120_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(attacks, { minLength: atOnce, maxLength: atOnce }), async (batch) => {
        const wires = await Promise.all(batch.map((one) => attack(begin(), one)))
        for (const [at, wire] of wires.entries()) expectAnswers(wire, batch[at]!)
      }),
      { ...(fuzzing(4_400 / atOnce) as fc.Parameters<[Attack[]]>), endOnFailure: true },
    )
    await untilQuiet(world)
    expect((await ask(world.manifest('lab/tool', 'v1'))).body.equals(tool.manifest.bytes)).toBe(true)
  })

  test('waits no longer than its limits for the rest of a request', { timeout: fuzzPatience(60_000) }, async () => {
    const half = fc.sample(
      fc.tuple(message, fc.nat(60)).map(([whole, at]) => whole.slice(0, at)),
      { numRuns: 200, seed: fuzzing(1).seed },
    )
    const begun = half.filter((one) => one.length > 4)
    await Promise.all(
      begun.map(async (one) =>
        expectAnswers(await attack(begin(), { writes: [one], lastly: 'end' }), { writes: [one], lastly: 'end' }),
      ),
    )
    const held = [
      'GET / HT',
      `GET ${path} HTTP/1.1\r\nHost: x\r\n`,
      `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab`,
      '\x16\x03\x01',
    ]
    await Promise.all(
      held.map(async (one) => {
        const of: Attack = { writes: [one], lastly: 'wait' }
        expectAnswers(await attack(begin(), of), of)
      }),
    )
    await untilQuiet(world)
  })
})

describe('a listener that speaks TLS and HTTP/2', () => {
  let world: World
  beforeAll(async () => {
    const listen = { host: '127.0.0.1', port: 0, tls: tlsFiles('server') }
    world = await createWorld({ settings: { freshFor: '1h' }, house: { more: { listen, limits } } })
    world.upstream.push('lab/tool', tool, 'v1')
    await ask(world.manifest('lab/tool', 'v1'))
  })
  afterAll(() => world[Symbol.asyncDispose]())

  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  const frame = (type: number, flags: number, stream: number, payload: Uint8Array) => {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    head[4] = flags
    head.writeUInt32BE(stream >>> 0, 5)
    return head.toString('latin1') + Buffer.from(payload).toString('latin1')
  }
  const settings = frame(4, 0, 0, new Uint8Array())
  const anyFrame = fc
    .tuple(fc.nat(12), fc.nat(255), fc.oneof(fc.nat(5), fc.constant(0x7fff_ffff)), fc.uint8Array({ maxLength: 40 }))
    .map(([type, flags, stream, payload]) => frame(type, flags, stream, payload))
  // :method GET, :scheme https, :path /, as HPACK has them in its static table
  const headers = fc.nat(6).map((at) => frame(1, 5, 2 * at + 1, Uint8Array.from([0x82, 0x87, 0x84])))
  const lying = fc
    .tuple(anyFrame, fc.nat(255))
    .map(([bytes, length]) => bytes.slice(0, 2) + String.fromCharCode(length) + bytes.slice(3))
  const frames = fc.array(
    fc.oneof({ weight: 4, arbitrary: anyFrame }, { weight: 2, arbitrary: headers }, { weight: 1, arbitrary: lying }),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  const h2: fc.Arbitrary<Attack> = fc.tuple(fc.boolean(), frames).map(([isPolite, list]) => ({
    writes: [preface + (isPolite ? settings : ''), list.join('')],
    lastly: 'end',
  }))

  test('ends what is no HTTP/2, and goes on', { timeout: fuzzPatience(120_000) }, async () => {
    const begin = () =>
      new Promise<Socket>((resolve, reject) => {
        const socket = connectTls({ ...address(world), ca: trustedAuthorities(), ALPNProtocols: ['h2'] }, () => resolve(socket))
        socket.once('error', reject)
      })
    await fc.assert(
      fc.asyncProperty(fc.array(h2, { minLength: atOnce, maxLength: atOnce }), async (batch) => {
        await Promise.all(batch.map(async (one) => attack(await begin(), one)))
      }),
      { ...(fuzzing(400 / atOnce) as fc.Parameters<[Attack[]]>), endOnFailure: true },
    )
    await stillServes()
  })

  test('ends what is no TLS, and goes on', { timeout: fuzzPatience(120_000) }, async () => {
    const hello = '\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03'
    const plain: fc.Arbitrary<Attack> = fc
      .tuple(
        fc.constantFrom(hello, hello, '', 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', preface),
        fc.uint8Array({ maxLength: 250 }),
        fc.constantFrom<Attack['lastly']>('end', 'end', 'reset'),
      )
      .map(([begun, bytes, lastly]) => ({ writes: [begun + Buffer.from(bytes).toString('latin1')], lastly }))
    await fc.assert(
      fc.asyncProperty(fc.array(plain, { minLength: atOnce, maxLength: atOnce }), async (batch) => {
        await Promise.all(batch.map((one) => attack(connectPlain(address(world)), one)))
      }),
      { ...(fuzzing(400 / atOnce) as fc.Parameters<[Attack[]]>), endOnFailure: true },
    )
    await stillServes()
  })

  async function stillServes(): Promise<void> {
    await untilQuiet(world)
    await using client = await connectH2(world.house.url)
    expect((await client.ask(path)).body.equals(tool.manifest.bytes)).toBe(true)
  }
})
