import { createPace, type Pace } from './pace.ts'

/** How one port of the upstream sends the bytes of blobs. */
export interface Behaviour {
  readonly bytesPerSecond?: number // of its line; no limit when undefined
  readonly wrongEvery?: number // bytes: of each such stretch of a blob one in the middle is another
  readonly silentAfter?: number // bytes in all: then nothing comes any more, and nothing ends
}

/** A port with a line of its own to everybody who asks there. */
export interface Place {
  readonly isPaced: boolean
  readonly isSilent: boolean
  behave(how: Behaviour): void
  /** Settles when so many bytes may be sent. */
  take(bytes: number): Promise<void>
  /** What it sends where these bytes at this position are right. */
  sends(bytes: Buffer, position: number): Buffer
}

export function createPlace(): Place {
  let how: Behaviour = {}
  let pace: Pace | undefined
  let taken = 0
  const isSilent = (): boolean => taken >= (how.silentAfter ?? Number.POSITIVE_INFINITY)

  return {
    get isPaced() {
      return pace !== undefined
    },
    get isSilent() {
      return isSilent()
    },
    behave(next) {
      how = next
      pace = next.bytesPerSecond === undefined ? undefined : createPace(next.bytesPerSecond)
      taken = 0
    },
    async take(bytes) {
      taken += bytes
      await pace?.take(bytes)
    },
    sends(bytes, position) {
      const every = how.wrongEvery
      if (every === undefined) return bytes
      const middle = every / 2
      let at = Math.ceil((position - middle) / every) * every + middle - position
      if (at >= bytes.length) return bytes
      const spoilt = Buffer.from(bytes)
      for (; at < bytes.length; at += every) spoilt[at]! ^= 1
      return spoilt
    },
  }
}
