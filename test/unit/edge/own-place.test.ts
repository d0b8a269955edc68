import { describe, expect, test } from 'vitest'
import { createIsOwnPlace } from '../../../src/edge/own-place.ts'

function known({ publicUrl, hosts = [], listening = [] }: { publicUrl?: string; hosts?: string[]; listening?: string[] }) {
  const isOwn = createIsOwnPlace({
    publicUrl: () => (publicUrl === undefined ? undefined : new URL(publicUrl)),
    publicHosts: () => hosts,
    listening: () => listening,
    localAddresses: () => ['127.0.0.1', '10.1.2.3', 'fd00::7'],
  })
  return (url: string) => isOwn(new URL(url))
}

describe('what would come back to us', () => {
  const isOwn = known({
    publicUrl: 'https://cache.site.example/below/',
    hosts: ['cache.lan:8080', 'cache.site.example'],
    listening: ['http://0.0.0.0:5000', 'http://192.0.2.1:5001', '/run/forebay/command.sock'],
  })

  test.each([
    'https://cache.site.example/below/v2/hub/x/blobs/sha256:00',
    'https://CACHE.Site.Example:443/below/v2/',
    'https://cache.site.example./below//blobs/sha256/00',
    'http://cache.site.example/below/blobs/sha256/00', // it sends whoever comes so to the other
    'https://cache.site.example/x/../below/files/tree/a',
    'https://cache.site.example/%62elow/%66iles/tree/a',
    'https://ada:pw@cache.site.example/below/shub/x?y#z',
    'https://cache.site.example/library/x', // by a further name of ours, which has no path
    'http://cache.lan:8080/v1/imagefile/x',
    'https://CACHE.LAN:8080/metalink/hub/x.meta4',
    'http://127.0.0.1:5000/static/x',
    'http://127.1:5000/static/x',
    'http://localhost:5000/v2/x',
    'http://10.1.2.3:5000/v2/x',
    'http://[::1]:5000/v2/x',
    'http://[fd00:0::7]:5000/v2/x',
    'http://192.0.2.1:5001/v2/x',
  ])('%s', (url) => expect(isOwn(url)).toBe(true))

  test.each([
    'https://site.example/below/v2/',
    'https://cache.site.example:8443/below/v2/',
    'https://cache.site.example/belowish/v2/',
    'https://cache.site.example/below/mirror/x', // somebody else's, behind the same name
    'https://cache.site.example/mirror/v2/x',
    'http://cache.lan/v2/x',
    'http://10.1.2.4:5000/v2/x',
    'http://10.1.2.3:5001/v2/x',
    'http://192.0.2.1:5000/v2/x',
    'http://cache.example:5000/v2/x',
    'https://cache.site.example/below',
    'file:///run/forebay/command.sock',
    'https://cache.site.example/below/%E0%A4%A/x',
  ])('not %s', (url) => expect(isOwn(url)).toBe(false))

  test('nothing, where nothing is known', () => expect(known({})('http://127.0.0.1:5000/v2/x')).toBe(false))
})
