import { deserialize, serialize } from 'node:v8'
import { type Answers, type Channel, createChannel, type News, type Port } from '../../src/system/channel.ts'

/** Two ends of one line, with messages copied as between processes. */
export interface Line {
  readonly near: Channel
  readonly far: Channel
  readonly sent: { near: number; far: number } // messages
  readonly failed: readonly unknown[] // at either end
}

export function createLine(near: Answers, far: Answers, farNews?: News): Line {
  const takers: Record<'near' | 'far', (message: unknown) => void> = { near: () => {}, far: () => {} }
  const sent = { near: 0, far: 0 }
  const port = (own: 'near' | 'far', other: 'near' | 'far'): Port => ({
    send(message) {
      sent[own]++
      const copy = deserialize(serialize(message))
      setImmediate(() => takers[other](copy))
    },
    receive: (take) => {
      takers[own] = take
    },
  })
  const failed: unknown[] = []
  const note = (error: unknown) => void failed.push(error)
  return {
    near: createChannel(port('near', 'far'), near, note),
    far: createChannel(port('far', 'near'), far, note, farNews),
    sent,
    failed,
  }
}
