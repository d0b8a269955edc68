import { expect, test } from 'vitest'
import { parseKeyserver, printCurrentUser, printRemoteConfig, printTokenStatus } from '../../../src/formats/remote-endpoint.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const endpoint = {
  library: 'https://proxy.example/lib/x/',
  keyserver: 'https://proxy.example',
  tokens: 'https://proxy.example/auth//',
}

test('services are named by absolute URLs without a slash at their end', () => {
  expect(JSON.parse(printRemoteConfig(endpoint))).toEqual({
    libraryAPI: { uri: 'https://proxy.example/lib/x' },
    keystoreAPI: { uri: 'https://proxy.example' },
    tokenAPI: { uri: 'https://proxy.example/auth' },
  })
  expect(JSON.parse(printRemoteConfig({ ...endpoint, registry: 'http://proxy.example:8080/' })).libraryAPI).toEqual({
    uri: 'https://proxy.example/lib/x',
    registryUri: 'http://proxy.example:8080',
  })
})

test.each(['', '/lib/x', 'proxy.example', 'ftp://proxy.example', 'https://proxy.example/?a=b', 'https://me@proxy.example'])(
  'no service is named %j',
  (library) => expect(faultIn(() => printRemoteConfig({ ...endpoint, library }))).toBe('internal'),
)

test('a user has a name, and texts where clients expect them', () => {
  expect(JSON.parse(printCurrentUser({ username: 'me' }))).toEqual({ username: 'me', email: '', realname: '' })
})

test('a good token has a status that is JSON', () => expect(JSON.parse(printTokenStatus())).toHaveProperty('data'))

test.each<readonly [unknown, string | undefined]>([
  [{ keystoreAPI: { uri: 'https://keys.example' } }, 'https://keys.example/'],
  [{ keyserverAPI: { uri: 'https://keys.example:11371/dropped?x=y' } }, 'https://keys.example:11371/'],
  [{ libraryAPI: { uri: 'https://library.example' } }, undefined],
  [{ keystoreAPI: 'https://keys.example' }, undefined],
  [{ keystoreAPI: { uri: '/pks' } }, undefined],
  [{ keystoreAPI: { uri: 'file:///etc/passwd' } }, undefined],
  [{ keystoreAPI: { uri: 'https://me:secret@keys.example' } }, undefined],
])('the keyserver of %j is %s', (document, url) => expect(parseKeyserver(bytesOf(document))?.href).toBe(url))

test('the keyserver of whatever is no surprise', () =>
  neverSurprises(parseKeyserver, ['keystoreAPI', 'keyserverAPI', 'uri'], ['upstream-invalid'], ['https://keys.example']))
