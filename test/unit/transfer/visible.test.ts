import { expect, test } from 'vitest'
import { visible, wholeUpTo } from '../../../src/transfer/visible.ts'

const big = wholeUpTo + 1000

test.each([
  { held: 0, size: 0, agreed: false, want: 0 },
  { held: 0, size: 0, agreed: true, want: 0 },
  { held: 1, size: 1, agreed: false, want: 0 },
  { held: 1, size: 1, agreed: true, want: 1 },
  { held: wholeUpTo, size: wholeUpTo, agreed: false, want: 0 },
  { held: wholeUpTo, size: wholeUpTo, agreed: true, want: wholeUpTo },
  { held: 10, size: big, agreed: false, want: 10 },
  { held: big - 1, size: big, agreed: false, want: big - 1 },
  { held: big, size: big, agreed: false, want: big - 1 },
  { held: big, size: big, agreed: true, want: big },
  { held: 10, size: undefined, agreed: false, want: 0 },
  { held: wholeUpTo, size: undefined, agreed: false, want: 0 },
  { held: big, size: undefined, agreed: false, want: big - 1 },
  { held: big, size: big, agreed: true, want: big },
])('of $size bytes, $held held, agreed $agreed: $want may be seen', ({ held, size, agreed, want }) =>
  expect(visible(held, size, agreed)).toBe(want),
)
