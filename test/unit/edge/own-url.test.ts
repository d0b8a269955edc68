import { describe, expect, test } from 'vitest'
import { createOwnUrl } from '../../../src/edge/own-url.ts'

describe('our URL for a client', () => {
  const own = createOwnUrl(() => 'https://cache.site.example', ['cache.lan:8080', 'cache'])

  test.each([
    [undefined, 'https://cache.site.example'],
    ['cache.site.example', 'https://cache.site.example'],
    ['evil.example', 'https://cache.site.example'],
    ['cache.lan', 'https://cache.site.example'], // another port
    ['cache.lan:8080', 'https://cache.lan:8080'],
    ['CACHE.lan:8080', 'https://cache.lan:8080'],
    ['cache', 'https://cache'],
    ['cache.lan:8080@evil.example', 'https://cache.site.example'],
    ['cache.lan:8080/..', 'https://cache.site.example'],
  ])('whose Host is %s is %s', (host, url) => {
    expect(own(host)).toBe(url)
  })

  test('is asked each time, as a port may become known late', () => {
    let url: string | undefined
    const late = createOwnUrl(() => url, [])
    expect(late('x')).toBeUndefined()
    url = 'http://127.0.0.1:8080'
    expect(late('x')).toBe(url)
  })

  test('is the known name it used also where nothing else is known', () => {
    const nameless = createOwnUrl(() => undefined, ['cache.lan:8080'])
    expect([nameless('cache.lan:8080'), nameless('other')]).toEqual(['http://cache.lan:8080', undefined])
  })
})
