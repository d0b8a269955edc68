import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { DocumentSource, Keeping, Target } from '../../catalog/catalog.ts'
import { metalinkLimits } from '../../formats/metalink-xml.ts'
import { parseDigest } from '../../model/digest.ts'
import { Fault, toFault } from '../../model/fault.ts'
import type { Ask } from '../../model/principal.ts'
import {
  parseFilePath,
  parseImageName,
  parseImagePointer,
  parsePointer,
  parseRepository,
  type UpstreamId,
} from '../../model/reference.ts'
import type { Logger } from '../../system/log.ts'
import { createRequestIds } from '../../system/trace.ts'
import { answers } from '../answer-fault.ts'

/**
 * The verbs of looking after what is held, as JSON. A target is given by query fields named like those of `Target`.
 * Who reaches these routes may do everything: they are for the command socket, which only the server's own user can open.
 * A fault is answered as `{ error: { code, details, message } }`, of which the other side can make the same fault.
 */
export function createAdmin(catalog: Keeping, log: Pick<Logger, 'error'>): Hono {
  const nextId = createRequestIds()
  const askOf = ({ req }: Context): Ask => ({
    principal: { kind: 'operator' },
    signal: req.raw.signal,
    requestId: nextId(req.header('x-request-id')),
  })
  const admin = new Hono()
    .get('/admin/images', async (c) => c.json(await catalog.images(c.req.query('pattern'))))
    .get('/admin/inspect', async (c) => c.json(await catalog.inspect(parseTarget(c.req.query()))))
    .post('/admin/get', async (c) => c.json(await catalog.get(parseTarget(c.req.query()), askOf(c))))
    .post('/admin/get-files', async (c) => c.json(await catalog.getFiles(await documentIn(c), askOf(c))))
    .post('/admin/rm', async (c) => c.json(await catalog.remove(parseTarget(c.req.query()))))
    .post('/admin/verify', async (c) => {
      const fields = c.req.query()
      return c.json(await catalog.verify(Object.keys(fields).length > 0 ? parseTarget(fields) : undefined, askOf(c)))
    })
    .get('/admin/metalink', async (c) => {
      const { platform, sign, ...target } = c.req.query()
      const options = { ...(platform === undefined ? {} : { platform }), sign: sign === 'true' }
      return c.json(await catalog.metalink(parseTarget(target), options, askOf(c)))
    })
    .get('/admin/mirrors', async (c) => c.json(await catalog.mirrors()))
    .post('/admin/pin', async (c) => c.json({ isNew: await catalog.pin(parseTarget(c.req.query())) }))
    .post('/admin/unpin', async (c) => c.json({ wasPinned: await catalog.unpin(parseTarget(c.req.query())) }))
    .post('/admin/gc', async (c) => c.json(await catalog.gc()))
  admin.onError((error, c) => {
    const fault = toFault(error, c.req.path)
    if (fault.code === 'internal' && !c.req.raw.signal.aborted)
      log.error('command.failed', { path: c.req.path, error: fault.cause ?? fault })
    return answer(c, fault)
  })
  admin.notFound((c) => answer(c, new Fault('unsupported', { what: `${c.req.method} ${c.req.path.slice(0, 200)}` })))
  return admin
}

/** A metalink by its URL, or the body with a name for it. @throws Fault 'too-large' */
async function documentIn({ req }: Context): Promise<DocumentSource> {
  const { url, from = 'the metalink' } = req.query()
  if (url !== undefined) return { url }
  const limit = metalinkLimits.bytes
  if (Number(req.header('content-length') ?? Number.POSITIVE_INFINITY) > limit)
    throw new Fault('too-large', { what: from, limit })
  return { bytes: new Uint8Array(await req.arrayBuffer()), from }
}

type Fields = Readonly<Record<string, string>>

/** @throws Fault 'request-invalid', 'name-invalid', 'tag-invalid', 'digest-invalid' */
function parseTarget(fields: Fields): Target {
  const { kind, digest = '', pointer = '' } = fields
  switch (kind) {
    case 'digest':
      return { kind, digest: parseDigest(digest) }
    case 'blob':
      return { kind, ...parsePlace(fields), digest: parseDigest(digest) }
    case 'manifest':
      return { kind, ...parsePlace(fields), pointer: parsePointer(pointer) }
    case 'image': {
      const { upstream = '', name = '', arch } = fields
      return {
        kind,
        upstream: upstream as UpstreamId,
        name: parseImageName(name),
        pointer: parseImagePointer(pointer),
        arch: arch === undefined ? undefined : parseImagePointer(arch),
      }
    }
    case 'file':
      return { kind, upstream: (fields.upstream ?? '') as UpstreamId, path: parseFilePath(fields.path ?? '') }
    default:
      throw new Fault('request-invalid', {
        what: `kind=${(kind ?? '').slice(0, 100)}`,
        why: 'expected manifest, blob, image, file or digest',
      })
  }
}

function parsePlace({ upstream = '', repository = '' }: Fields) {
  // A key to look up, never dialled: the catalog knows the upstreams there are.
  return { upstream: upstream as UpstreamId, repository: parseRepository(repository) }
}

function answer(c: Context, { code, details, message }: Fault): Response {
  return c.json({ error: { code, details, message } }, answers[code].status as ContentfulStatusCode)
}
