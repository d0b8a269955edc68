import type { UpstreamId } from '../model/reference.ts'
import type { Settings } from './schema.ts'
import type { Secret } from './secrets.ts'

export type UpstreamSettings = Omit<Settings['upstreams'][string], 'credentials' | 'url' | 'mirrors' | 'keyserver'> & {
  readonly mirrors: readonly (Omit<Settings['upstreams'][string]['mirrors'][number], 'url'> & { readonly url: URL })[]
  readonly id: UpstreamId
  readonly url: URL
  readonly credentials:
    | { readonly username: string; readonly password: Secret }
    | { readonly token: Secret }
    | { readonly dockerConfig: string }
    | undefined
  readonly keyserver: URL | undefined
}

export interface Origin {
  readonly text: string // of the file
  readonly relativeTo: string // absolute
}

/** One place to listen on. */
export type DoorSettings = Exclude<Settings['listen'], readonly unknown[]>
export type TlsSettings = NonNullable<DoorSettings['tls']>

/** All settings, checked: durations in ms, sizes in bytes, paths absolute, secrets behind doors. */
export interface Config
  extends Omit<Settings, 'access' | 'signing' | 'publicUrl' | 'listen' | 'upstreams' | 'defaults' | 'records' | 'outbound'> {
  readonly file: string // where they were read from
  /** With the same environment, what reads these settings again whatever has become of the file. */
  readonly origin: Origin
  readonly listen: readonly DoorSettings[]
  readonly publicUrl: URL | undefined // undefined: the first listener's
  readonly records: { readonly url: string }
  readonly upstreams: ReadonlyMap<UpstreamId, UpstreamSettings>
  readonly signing: { readonly key: Secret; readonly passphrase: Secret | undefined } | undefined
  readonly defaults: { readonly [kind in 'oci' | 'library' | 'shub']: UpstreamId | undefined }
  readonly access: Omit<Settings['access'], 'users'> & { readonly users: { readonly file: string } | undefined }
  readonly outbound: Omit<Settings['outbound'], 'httpProxy' | 'httpsProxy' | 'noProxy'> & {
    readonly proxies: { readonly http?: URL; readonly https?: URL; readonly no: readonly string[] }
  }
}
