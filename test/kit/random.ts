/** Numbers in [0, 1) that come again for the same seed (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** Picks of 0…count-1, the n-th about 1/n^skew as likely as the first. */
export function createZipf(count: number, skew: number, random: () => number): () => number {
  const sums = new Float64Array(count)
  let total = 0
  for (let at = 0; at < count; at++) sums[at] = total += 1 / (at + 1) ** skew
  return () => {
    const wanted = random() * total
    let [low, high] = [0, count - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if (sums[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
