import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import { createCallerChoice } from '../../../src/edge/caller-choice.ts'
import { createNamedChoice } from '../../../src/edge/named-choice.ts'
import { createUpstreamChoice } from '../../../src/edge/upstream-choice.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'

const upstream = (id: string, kind: string, rights: 'site' | 'caller', hosts: readonly string[] = []) => ({
  id: id as UpstreamId,
  kind,
  rights,
  hosts,
  url: new URL(`https://${id}`),
})
const upstreams = [
  upstream('own.example', 'oci', 'caller', ['own.proxy.example']),
  upstream('site.example', 'oci', 'site'),
  upstream('images', 'library', 'caller'),
  upstream('others', 'library', 'site'),
  upstream('hub', 'shub', 'caller'),
  upstream('pages', 'static', 'caller'),
  upstream('data', 'files', 'caller'),
  upstream('open', 'files', 'site'),
]
const defaults = { oci: 'site.example' as UpstreamId, library: 'images' as UpstreamId, shub: 'hub' as UpstreamId }

function choiceOf(of = upstreams) {
  return createCallerChoice({
    upstreams: of,
    choose: createUpstreamChoice(
      of.filter(({ kind }) => kind === 'oci'),
      defaults.oci,
    ),
    chooseNamed: createNamedChoice(of, defaults),
    isOwnHost: (host) => host === 'proxy.example',
  })
}

const asked = (url: string, host = 'proxy.example') =>
  ({ url, headers: { host }, socket: { localAddress: '127.0.0.1', localPort: 8080 } }) as unknown as IncomingMessage
const named = (url: string, host?: string) => choiceOf().named(asked(url, host))

describe('a request is about an upstream that says itself who may read what', () => {
  test.each([
    ['/v2/own.example/team/tool/manifests/v1', 'own.example'],
    ['/v2/own.example/team/tool/tags/list?n=1', 'own.example'],
    ['/v2/team/tool/manifests/v1?ns=own.example', 'own.example'],
    ['http://proxy.example/v2/own.example/team/tool/blobs/sha256:00', 'own.example'],
    ['/metalink/own.example/team/tool:v1.meta4', 'own.example'],
    ['/metalink/own.example/team/tool@sha256:00.meta4.asc', 'own.example'],
    ['/metalink/own%2Eexample/team/tool:v1.meta4', 'own.example'],
    ['/v1/images/team/tool:v1', 'images'],
    ['//v1/images/team/tool:v1', 'images'],
    ['/library/images/v1/imagefile/team/tool:v1', 'images'],
    ['/metalink/images/team/tool:v1.meta4', 'images'],
    ['/api/container/team/tool:v1', 'hub'],
    ['/shub/hub/image/team/tool:v1', 'hub'],
    ['/static/pages/team/tool/manifests/v1/', 'pages'],
    ['/files/data/a/b.bin', 'data'],
  ])('%s', (url, upstream) => expect(named(url)).toBe(upstream))

  test('by its own host', () => expect(named('/v2/team/tool/manifests/v1', 'own.proxy.example')).toBe('own.example'))
})

describe('what is shown is for nobody but us', () => {
  test.each([
    '/v2/',
    '/v2/_catalog',
    '/v2/team/tool/manifests/v1', // the default
    '/v2/site.example/team/tool/manifests/v1',
    '/v2/own.example/team/tool/manifests/v1?ns=site.example', // a contradiction
    '/v2/own.example/manifests/v1', // a repository of that name at the default
    '/v2/own.example/../site.example/x/manifests/v1',
    'http://elsewhere.example/v2/own.example/team/tool/manifests/v1',
    '/metalink/team/tool:v1.meta4',
    '/metalink/own.example',
    '/library/others/v1/images/team/tool:v1',
    '/library/none/v1/images/team/tool:v1',
    '/files/open/a',
    '/files/none/a',
    '/static/none/a',
    '/shub/none/image/a',
    '/blobs/sha256/00',
    '/healthz',
    '/',
    '*',
    '',
  ])('with %s', (url) => expect(named(url)).toBeUndefined())

  test('where there is no such upstream', () => {
    const choice = choiceOf(upstreams.map((one) => ({ ...one, rights: 'site' as const })))
    expect(choice.named(asked('/v2/own.example/team/tool/manifests/v1'))).toBeUndefined()
    expect(choice.isByDigest(asked('/blobs/sha256/00'))).toBe(false)
  })
})

test.each([
  ['/blobs/sha256/00', true],
  ['//blobs/sha256/00.meta4', true],
  ['http://proxy.example/blobs/sha256/00', true],
  ['/v2/blobs/x', false],
  ['/files/data/blobs/x', false],
])('%s names a digest and nothing else: %s', (url, isSo) => expect(choiceOf().isByDigest(asked(url))).toBe(isSo))
