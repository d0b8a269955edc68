import { describe, expect, test } from 'vitest'
import { createSiteSignatures } from '../../../src/catalog/site-signatures.ts'
import type { BlobSignature } from '../../../src/model/facts.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { StoredBlob } from '../../../src/store/blob-store.ts'
import { untilGone } from '../../../src/system/until-gone.ts'
import { blob } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

const stored = (seed: string): StoredBlob => ({ id: idOf(blob(10, seed)), size: 10, lastUsed: 0, path: seed })

/** A key whose work waits until the test lets it go. */
function setUp(siteKey: string | undefined = 'SITE') {
  const kept = new Map<string, Omit<BlobSignature, 'keptAt'>>()
  const begun: string[] = []
  const gates = new Map<string, PromiseWithResolvers<string>>()
  const log = createRecordedLog()
  const site = createSiteSignatures({
    siteKey,
    log,
    openpgp: {
      sign: async () => 'of a document',
      signFile(path, _size, signal) {
        begun.push(path)
        const gate = Promise.withResolvers<string>()
        gates.set(path, gate)
        return untilGone(gate.promise, signal)
      },
    },
    kept: {
      told: async (id) => kept.get(id) as BlobSignature | undefined,
      keep: async (id, signature) => void kept.set(id, signature),
    },
  })
  return {
    site,
    kept,
    begun,
    log,
    done: (path: string) => gates.get(path)!.resolve(`by ${path}`),
    fail: (path: string) => gates.get(path)!,
  }
}

const turn = () => new Promise((go) => setImmediate(go))

describe('blobs are signed', () => {
  test('one after the other, each once however often it is asked for', async () => {
    const { site, kept, begun, done } = setUp()
    const all = [site.sign(stored('a')), site.sign(stored('b')), site.sign(stored('a'))]
    await turn()
    expect(begun).toEqual(['a'])
    done('a')
    await all[0]
    await turn()
    expect(begun).toEqual(['a', 'b'])
    done('b')
    await Promise.all(all)
    await site.sign(stored('a'))
    expect(begun).toEqual(['a', 'b'])
    expect(kept.get(stored('a').id)).toEqual({ armored: 'by a', by: 'site', keys: ['SITE'] })
  })

  test('whatever became of the one before, which is tried again when somebody asks', async () => {
    const { site, kept, begun, log, done, fail } = setUp()
    const [first, second] = [site.sign(stored('a')), site.sign(stored('b'))]
    await turn()
    fail('a').reject(new Fault('disk-failed', { path: 'a', why: 'gone' }))
    await first
    await turn()
    done('b')
    await second
    expect([...kept.keys()]).toEqual([stored('b').id])
    expect(log.events).toContain('signature.failed')
    const again = site.sign(stored('a'))
    await turn()
    expect(begun).toEqual(['a', 'b', 'a'])
    done('a')
    await again
    expect(kept.size).toBe(2)
  })

  test('no further than to the end of the server: who waits is let go, and nothing is said of it', async () => {
    const { site, kept, begun, log } = setUp()
    const all = [site.sign(stored('a')), site.sign(stored('b'))]
    await turn()
    await site.close()
    await Promise.all(all)
    expect([kept.size, begun, log.lines.filter(({ level }) => level === 'warn')]).toEqual([0, ['a'], []])
  })

  test('a thousand at most wait at once, and the others are left for the next time', async () => {
    const { site, begun } = setUp()
    for (let n = 0; n < 1000; n++) void site.sign(stored(String(n)))
    await site.sign(stored('one more')) // settles without having been signed
    expect(begun).not.toContain('one more')
    await site.close()
  })
})

test('without a key nothing is signed, and a document has no signature', async () => {
  const site = createSiteSignatures({ siteKey: undefined, kept: {} as never, openpgp: {} as never, log: createRecordedLog() })
  await site.sign(stored('a'))
  expect(site.isOn).toBe(false)
  expect(await faultOf(site.document(Buffer.from('x')))).toBe('not-found')
  await site.close()
})
