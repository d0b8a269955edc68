import { describe, expect, test } from 'vitest'
import { createNetworks, networkOf, plainAddress } from '../../../src/system/networks.ts'

describe('addresses of networks', () => {
  const isInside = createNetworks(['10.0.0.0/8', '192.0.2.1', '2001:db8:1::/48', '2001:db8:2::7'])

  test.each(['10.255.0.1', '::ffff:10.0.0.1', '::FFFF:10.0.0.1', '192.0.2.1', '2001:db8:1:ffff::1', '2001:0DB8:2::0007'])(
    '%s is in one',
    (address) => expect(isInside(address)).toBe(true),
  )
  test.each([
    '11.0.0.1',
    '192.0.2.2',
    '::ffff:192.0.2.2',
    '2001:db8:2::8',
    '2001:db8:3::1',
    '10.0.0',
    '',
    'localhost',
    '::ffff:',
  ])('%j is in none', (address) => expect(isInside(address)).toBe(false))
  test('nothing is in no network', () => expect(['127.0.0.1', '::1', '::'].filter(createNetworks([]))).toEqual([]))
})

test.each([
  ['::ffff:127.0.0.1', '127.0.0.1'],
  ['::FFFF:127.0.0.1', '127.0.0.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['2001:db8::ffff:127.0.0.1', '2001:db8::ffff:127.0.0.1'],
  ['::ffff:x', '::ffff:x'],
])('%s is plainly %s', (address, plain) => expect(plainAddress(address)).toBe(plain))

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
])('who has %s has %s', (address, network) => expect(networkOf(address)).toBe(network))
