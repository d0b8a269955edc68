import { createFakeUpstream, type FakeUpstream } from './fake-upstream.ts'
import { createFakeFiles, type FakeFiles } from './files-upstream.ts'
import { createFakeLibrary, type FakeLibrary } from './library-upstream.ts'
import type { HouseSettings } from './settings.ts'
import { createFakeShub, type FakeShub } from './shub-upstream.ts'
import { createFakeStatic, type FakeStatic } from './static-upstream.ts'

/** An upstream of each kind on loopback, and settings that name them `lab`, `hub`, `storage`, `data` and `lab.example`. */
export interface EveryKind extends AsyncDisposable {
  readonly library: FakeLibrary
  readonly shub: FakeShub
  readonly pages: FakeStatic
  readonly files: FakeFiles
  readonly registry: FakeUpstream
  readonly settings: HouseSettings
}

export async function createEveryKind(): Promise<EveryKind> {
  const library = await createFakeLibrary()
  const shub = await createFakeShub()
  const pages = await createFakeStatic()
  const files = await createFakeFiles()
  const registry = await createFakeUpstream()
  const upstreams = [library, shub, pages, files, registry]
  return {
    library,
    shub,
    pages,
    files,
    registry,
    settings: {
      upstreams: {
        lab: { kind: 'library', url: library.url },
        hub: { kind: 'shub', url: shub.url },
        storage: { kind: 'static', url: pages.base },
        data: { kind: 'files', url: files.base },
        'lab.example': { kind: 'oci', url: registry.url },
      },
      outbound: { allow: [library, shub, pages, files].map((web) => web.files.host) },
      more: {
        defaults: { oci: 'lab.example', library: 'lab', shub: 'hub' },
        catalog: { negativeFor: '0s', answerDeadline: '40s' }, // a busy machine is no slow upstream
      },
    },
    async [Symbol.asyncDispose]() {
      for (const one of upstreams) await one[Symbol.asyncDispose]()
    },
  }
}
