import { type FileHandle, open } from 'node:fs/promises'
import { parentPort, workerData } from 'node:worker_threads'
import {
  config,
  createMessage,
  decryptKey,
  enums,
  type Key,
  PacketList,
  type PrivateKey,
  readKeys,
  readPrivateKey,
  readSignature,
  Signature,
  SignaturePacket,
  verify,
} from 'openpgp'
import type { Answers, FromThread, KeyReport, OpenPgpSettings, RingReport, Task, ToThread } from './openpgp.ts'

// Runs in a thread of its own (openpgp.ts).

const stepBytes = 1024 * 1024
const mostPackets = 8 // that are looked at in one signature
const publicBlock = /-----BEGIN PGP PUBLIC KEY BLOCK-----.*?-----END PGP PUBLIC KEY BLOCK-----/gs

const { key: ownKey, rings } = workerData as OpenPgpSettings
const port = parentPort!
const running = new Map<number, AbortController>()
const site = ownKey && readOwnKey(ownKey)
const publicKeys = new Map([...rings].map(([name, text]) => [name, readRing(text)] as const))

port.on('message', (message: ToThread) => {
  if (message.kind === 'begin') void run(message.job, message.task)
  else running.get(message.job)?.abort()
})

async function run(job: number, task: Task): Promise<void> {
  const control = new AbortController()
  running.set(job, control)
  try {
    const answer = await answerTo(task, control.signal)
    port.postMessage({ kind: 'done', job, answer } satisfies FromThread)
  } catch (error) {
    const isDisk = error instanceof Error && 'syscall' in error
    port.postMessage({ kind: 'failed', job, why: whyOf(error), isDisk } satisfies FromThread)
  } finally {
    running.delete(job)
  }
}

function answerTo(task: Task, signal: AbortSignal): Promise<Answers[keyof Answers]> {
  switch (task.kind) {
    case 'key':
      return Promise.resolve(site?.then(({ report }) => report))
    case 'ring':
      return ringNamed(task.name).then(({ report }) => report)
    case 'sign':
      return sign(task.bytes)
    case 'sign-file':
      return sign(bytesOf(task.path, task.size, signal))
    case 'read':
      return read(task)
    case 'verify-file':
      return verifyFile(task, signal)
  }
}

interface OwnKey {
  readonly report: KeyReport
  readonly key?: PrivateKey
}

async function readOwnKey({ armored, passphrase }: NonNullable<OpenPgpSettings['key']>): Promise<OwnKey> {
  const refused = (fault: 'key' | 'passphrase', why: string): OwnKey => ({ report: { outcome: 'refused', fault, why } })
  let key: PrivateKey
  try {
    key = await readPrivateKey({ armoredKey: armored })
  } catch {
    return refused('key', 'it is not an armored OpenPGP secret key')
  }
  if (!key.isDecrypted()) {
    if (passphrase === undefined) return refused('passphrase', 'the key is protected by one, and none is given')
    try {
      key = await decryptKey({ privateKey: key, passphrase })
    } catch {
      return refused('passphrase', 'it does not open the key')
    }
  }
  try {
    await key.getSigningKey()
  } catch (error) {
    return refused('key', `it cannot sign: ${whyOf(error)}`)
  }
  return { report: { outcome: 'usable', fingerprint: fingerprintOf(key) }, key }
}

interface Ring {
  readonly report: RingReport
  readonly keys: readonly Key[]
}

/** A file may hold several blocks, as made by one export after the other. A key that was revoked vouches for nothing. */
async function readRing(text: string): Promise<Ring> {
  const refused = (why: string): Ring => ({ report: { outcome: 'refused', why }, keys: [] })
  const blocks = text.match(publicBlock)
  if (!blocks && text.includes('PGP PRIVATE KEY BLOCK')) return refused('it holds a secret key where a public one belongs')
  if (!blocks) return refused('it holds no armored OpenPGP public key')
  try {
    const all = (await Promise.all(blocks.map((block) => readKeys({ armoredKeys: block })))).flat()
    const isRevoked = await Promise.all(all.map((key) => key.isRevoked()))
    const keys = all.filter((_, at) => !isRevoked[at])
    if (keys.length === 0) return refused('every key in it was revoked')
    return { report: { outcome: 'usable', fingerprints: keys.map(fingerprintOf) }, keys }
  } catch (error) {
    return refused(`its keys cannot be read: ${whyOf(error)}`)
  }
}

async function ringNamed(name: string): Promise<Ring> {
  const ring = publicKeys.get(name)
  if (!ring) throw new Error(`there are no public keys named ${name}`)
  return ring
}

async function keysNamed(names: readonly string[]): Promise<Key[]> {
  return (await Promise.all(names.map(ringNamed))).flatMap(({ keys }) => keys)
}

type Data = Uint8Array | ReadableStream<Uint8Array>
type SignDetached = (
  key: Parameters<SignaturePacket['sign']>[0],
  data: { readonly text: null; getBytes(): Data },
  date: Date,
  detached: true,
  settings: typeof config,
) => Promise<void>

/** The packet itself, as `sign` of the library gathers all of a stream in memory, and adds a random notation to it. */
async function sign(data: Data): Promise<string> {
  const key = (await site)?.key
  if (!key) throw new Error('there is no key to sign with')
  const { keyPacket } = await key.getSigningKey()
  const packet = new SignaturePacket()
  packet.signatureType = enums.signature.binary
  packet.publicKeyAlgorithm = keyPacket.algorithm
  packet.hashAlgorithm = hashFor(keyPacket.getAlgorithmInfo().algorithm)
  const signDetached = packet.sign.bind(packet) as unknown as SignDetached
  const settings = { ...config, nonDeterministicSignaturesViaNotation: false }
  await signDetached(keyPacket as never, { text: null, getBytes: () => data }, new Date(), true, settings)
  await settled(packet)
  return armored([packet])
}

/** Of a stream the packet comes before its value. */
async function settled(packet: SignaturePacket & { params?: unknown; signedHashValue?: unknown }): Promise<void> {
  packet.params = await packet.params
  if (packet.signedHashValue instanceof ReadableStream)
    packet.signedHashValue = new Uint8Array(await new Response(packet.signedHashValue as never).arrayBuffer())
}

/** Machines are fast at sha256, and the whole store believes in it; curves of more than 256 bits want more. */
function hashFor(algorithm: string): enums.hash {
  return /^rsa|^ed(?:dsaLegacy|25519)/.test(algorithm) ? enums.hash.sha256 : enums.hash.sha512
}

async function read({ bytes, rings }: Extract<Task, { kind: 'read' }>): Promise<Answers['read']> {
  const packets = await packetsIn(bytes)
  if (packets.length === 0) return undefined
  const keys = await keysNamed(rings)
  const trusted = packets.flatMap((packet) => makersOf(packet, keys).map(fingerprintOf))
  return { armored: armored(packets), issuers: [...new Set(packets.map(issuerOf))], trusted: [...new Set(trusted)] }
}

/** Signatures of bytes as they are: those of text, of keys and of times say something else. */
async function packetsIn(bytes: Uint8Array): Promise<SignaturePacket[]> {
  const text = Buffer.from(bytes).toString('latin1')
  try {
    const { packets } = text.includes('-----BEGIN PGP SIGNATURE-----')
      ? await readSignature({ armoredSignature: text })
      : await readSignature({ binarySignature: bytes })
    const ofBytes = [...packets].filter(
      (packet) => packet instanceof SignaturePacket && packet.signatureType === enums.signature.binary,
    )
    return ofBytes.slice(0, mostPackets)
  } catch {
    return []
  }
}

async function verifyFile(task: Extract<Task, { kind: 'verify-file' }>, signal: AbortSignal): Promise<Answers['verify-file']> {
  const keys = await keysNamed(task.rings)
  const packets = await packetsIn(Buffer.from(task.signature))
  let why = 'there is no signature of bytes in it'
  for (const packet of packets) {
    const [key] = makersOf(packet, keys)
    if (!key) {
      why = `it is by ${issuerOf(packet)}, which is not trusted`
      continue
    }
    const message = await createMessage({ binary: bytesOf(task.path, task.size, signal), format: 'binary' })
    const { signatures, data } = await verify({
      message,
      signature: signatureOf([packet]),
      verificationKeys: key,
      format: 'binary',
    })
    await drain(data as ReadableStream<Uint8Array>) // only what passes here is looked at
    try {
      await signatures[0]!.verified
      return { outcome: 'good', by: fingerprintOf(key) }
    } catch (error) {
      why = whyOf(error)
    }
  }
  return { outcome: 'bad', why }
}

/** By a reader, as the library puts methods of another stream on this one, and the iterator is not among them. */
async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  const reader = stream.getReader()
  while (!(await reader.read()).done);
}

/** Opened with the first byte that is asked for, closed after the last. */
function bytesOf(path: string, size: number, signal: AbortSignal): ReadableStream<Uint8Array> {
  let file: FileHandle | undefined
  let at = 0
  const step = async (): Promise<Uint8Array | undefined> => {
    signal.throwIfAborted()
    file ??= await open(path)
    const { bytesRead, buffer } = await file.read(new Uint8Array(Math.min(stepBytes, size - at)), 0, null, at)
    at += bytesRead
    if (bytesRead === 0 && at < size)
      throw Object.assign(new Error(`the file ends at ${at} of ${size} bytes`), { syscall: 'read' })
    return bytesRead > 0 ? buffer.subarray(0, bytesRead) : undefined
  }
  const close = async () => {
    await file?.close()
    file = undefined
  }
  const pull = async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    try {
      const bytes = await step()
      if (bytes) return controller.enqueue(bytes)
    } catch (error) {
      await close()
      throw error
    }
    await close()
    controller.close()
  }
  return new ReadableStream({ pull, cancel: close }, { highWaterMark: 0 })
}

function makersOf({ issuerKeyID }: SignaturePacket, keys: readonly Key[]): readonly Key[] {
  return keys.filter((key) => key.getKeys(issuerKeyID).length > 0)
}

/** As much of its maker's name as it says. */
function issuerOf({ issuerFingerprint, issuerKeyID }: SignaturePacket & { issuerFingerprint?: Uint8Array | null }): string {
  return issuerFingerprint ? Buffer.from(issuerFingerprint).toString('hex').toUpperCase() : issuerKeyID.toHex().toUpperCase()
}

function fingerprintOf(key: Key): string {
  return key.getFingerprint().toUpperCase()
}

function signatureOf(packets: readonly SignaturePacket[]): Signature {
  const list = new PacketList<SignaturePacket>()
  list.push(...packets)
  return new Signature(list)
}

function armored(packets: readonly SignaturePacket[]): string {
  return signatureOf(packets).armor().replaceAll('\r\n', '\n').trim()
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
