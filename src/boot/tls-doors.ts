import type { Config, TlsSettings } from '../config/config.ts'
import { Fault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import { watchFiles } from '../system/watch-files.ts'
import { type Certificates, readCertificates } from './certificates.ts'
import type { Listener } from './listener.ts'
import type { TlsOptions } from './web-server.ts'

/** The certificates of all listeners, as they are in their files now. */
export interface TlsDoors {
  /** How the listener at that place of the settings speaks TLS; undefined: it does not. */
  at(index: number): TlsOptions | undefined
  /** From now on it is given the certificates that come. */
  opened(index: number, listener: Pick<Listener, 'setCertificates'>): void
  /** Reads the files again. What is of no use is told, and what was read before stays. Never rejects. */
  renew(): Promise<void>
  /** Epoch ms of the first to expire; undefined where there is none. */
  readonly expiresAt: number | undefined
  close(): Promise<void>
}

const lookEveryMs = 2_000

/** @throws Fault 'config-invalid' with everything that is wrong with the files */
export async function openTlsDoors(
  { listen, file }: Pick<Config, 'listen' | 'file'>,
  { log, clock }: { readonly log: Logger; readonly clock: Clock },
): Promise<TlsDoors> {
  const read = (tls: TlsSettings, at: number) => readCertificates(tls, `listen.${at}.tls`, clock.now())
  const known = new Map<number, Certificates>()
  const listeners = new Map<number, Pick<Listener, 'setCertificates'>>()

  async function readAll(): Promise<void> {
    const mistakes: string[] = []
    for (const [at, { tls }] of listen.entries()) {
      if (!tls) continue
      const found = await read(tls, at)
      if ('mistakes' in found) mistakes.push(...found.mistakes)
      else known.set(at, found)
    }
    if (mistakes.length > 0) throw new Fault('config-invalid', { file, mistakes })
  }

  async function renewOne(tls: TlsSettings, at: number): Promise<void> {
    const found = await read(tls, at)
    if ('mistakes' in found) {
      log.error('tls.refused', { mistakes: found.mistakes, why: 'the certificate of before stays in use' })
      return
    }
    known.set(at, found)
    listeners.get(at)?.setCertificates(found.context)
    log.info('tls.loaded', { certificate: tls.certificate, expires: new Date(found.expiresAt).toISOString() })
  }

  async function renew(): Promise<void> {
    for (const [at, { tls }] of listen.entries())
      if (tls) await renewOne(tls, at).catch((error) => log.error('tls.refused', { certificate: tls.certificate, error }))
  }

  const paths = listen.flatMap(({ tls }) => (tls ? [tls.certificate, tls.key, ...(tls.clientCa ? [tls.clientCa] : [])] : []))
  const stopWatching = await watchFiles(paths, { clock, everyMs: lookEveryMs, changed: renew })
  await readAll().catch(async (error) => {
    await stopWatching()
    throw error
  })

  return {
    at(index) {
      const { tls } = listen[index] ?? {}
      if (!tls) return undefined
      const { clientCa, clientCertificate = clientCa === undefined ? undefined : 'required', http2 } = tls
      return { context: known.get(index)!.context, clientCertificate, http2 }
    },
    opened: (index, listener) => void listeners.set(index, listener),
    renew,
    get expiresAt() {
      return known.size === 0 ? undefined : Math.min(...[...known.values()].map(({ expiresAt }) => expiresAt))
    },
    close: stopWatching,
  }
}
