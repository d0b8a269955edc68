import type { Validators } from '../../../src/model/artifact.ts'
import type { Digest } from '../../../src/model/digest.ts'
import type { Told } from '../../../src/model/facts.ts'
import { Fault } from '../../../src/model/fault.ts'
import { type FileReference, parseFilePath, placeOf, printReference, type UpstreamId } from '../../../src/model/reference.ts'
import type { NamedUpstream } from '../../../src/upstream/upstream.ts'

export interface ScriptedFile {
  readonly bytes: Buffer
  readonly version: string // its ETag, in quotes
  readonly claimed?: Digest
  readonly size?: number // that it tells, if not that of the bytes
}

/** An upstream of whole files without a network. */
export interface ScriptedFiles extends NamedUpstream {
  put(path: string, file: ScriptedFile): void
  remove(path: string): void
  /** Questions as they came: `x`, `x?` where something was known to ask by, `body x`. */
  readonly asked: string[]
  fails: Fault | undefined
  /** Questions about names wait until the returned function is called. */
  hold(): () => void
}

export function createScriptedFiles(id: UpstreamId, isPublic = true): ScriptedFiles {
  const files = new Map<string, ScriptedFile>()
  const asked: string[] = []
  let gate: Promise<void> = Promise.resolve()

  function hear(what: string): void {
    asked.push(what)
    if (upstream.fails) throw upstream.fails
  }

  const upstream: ScriptedFiles = {
    id,
    isPublic,
    asked,
    fails: undefined,
    put: (path, file) => void files.set(path, file),
    remove: (path) => void files.delete(path),
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
    sourcesOf: ({ reference }) => [
      { url: new URL(`https://files.example/${placeOf(reference).repository}`), via: id, priority: 500_000 },
    ],
    async resolve(reference, _, known) {
      const path = placeOf(reference).repository
      const etag = known?.validators.etag
      hear(etag === undefined ? path : `${path}?`)
      const file = files.get(path)
      await gate
      if (upstream.fails) throw upstream.fails
      if (!file) return { outcome: 'missing' }
      if (etag === file.version) return { outcome: 'unchanged' }
      return { outcome: 'found', told: toldOf(file) }
    },
    async read({ url }, { range, validator }) {
      const path = url.pathname.slice(1)
      hear(`body ${path}`)
      const file = files.get(path)
      if (!file) throw new Fault('not-found', { what: printReference(fileNamed(path, id)) })
      const { bytes, version } = file
      const isPart = range !== undefined && (validator === undefined || validator === version)
      const start = isPart ? range.start : 0
      const end = Math.min((isPart && range.end) || bytes.length, bytes.length)
      const validators: Validators = { etag: version }
      return {
        status: isPart ? 206 : 200,
        range: { start, end },
        total: bytes.length,
        validator: version,
        validators,
        body: bodyOf(bytes.subarray(start, end)),
      }
    },
  }

  async function* bodyOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 64 * 1024) {
      await new Promise((go) => setImmediate(go))
      yield bytes.subarray(at, at + 64 * 1024)
    }
  }

  return upstream
}

function toldOf({ bytes, version, claimed, size = bytes.length }: ScriptedFile): Told {
  return { claimed, size, mediaType: 'a/b', validators: { etag: version }, version, urls: [], about: {} }
}

export function fileNamed(path: string, upstream: UpstreamId): FileReference {
  return { kind: 'file', upstream, path: parseFilePath(path) }
}
