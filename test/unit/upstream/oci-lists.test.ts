import { describe, expect, test } from 'vitest'
import { nextOf } from '../../../src/upstream/oci-lists.ts'
import { workTime } from '../../kit/work-time.ts'

const url = new URL('https://registry.example/v2/lab/tool/tags/list?n=2')
const next = (...links: string[]) => nextOf({ headers: () => links, url })?.href

describe('the next page', () => {
  test.each([
    ['</v2/lab/tool/tags/list?n=2&last=b>; rel="next"', 'https://registry.example/v2/lab/tool/tags/list?n=2&last=b'],
    ['<https://other.example/x>; rel=next', 'https://other.example/x'],
    ['<a>; rel="prev", <b>; title="x, y"; rel="last Next"', 'https://registry.example/v2/lab/tool/tags/b'],
    ['<?last=b> ; REL = next ;', 'https://registry.example/v2/lab/tool/tags/list?last=b'],
  ])('is named by %s', (link, href) => expect(next(link)).toBe(href))

  test.each(['', '<a>', '<a>; rel="prev"', '<a>; rel=nextest', 'a; rel=next', '<http://[>; rel=next', '<a; rel=next'])(
    'is not named by %j',
    (link) => expect(next(link)).toBeUndefined(),
  )

  test('is named on any of several lines', () => expect(next('<a>; rel=prev', '<b>; rel=next')).toMatch(/\/b$/))

  test.each(['<', '<a>', ';rel= ', '<a>;rel=" next', '; rel=next '])('is looked for among 64 KiB of %j at once', (piece) => {
    expect(workTime(() => next(`<a>${piece.repeat(65_536 / piece.length)}"`))).toBeLessThan(1_000)
  })
})
