import { expect } from 'vitest'
import { ask } from './ask.ts'
import { blob, MiB } from './blobs.ts'
import { untilHeld, wrongBlobsOn } from './disk.ts'
import { createMirroredWorld, type MirroredWorld } from './mirrored-world.ts'

/** A blob that mirrors and upstream have. */
export const layer = blob(6 * MiB, 'mirrored')

/** How many bodies of it each mirror sent, and last the upstream. */
export const bytesFrom = (world: MirroredWorld, digest = layer.digest): readonly number[] =>
  [...world.mirrors, world.upstream].map((place) => place.bodies(digest))

/** A world whose mirrors all have the layers that the upstream has. */
export async function everywhere(mirrors: number, ...layers: readonly (typeof layer)[]): Promise<MirroredWorld> {
  const world = await createMirroredWorld(Array.from({ length: mirrors }, () => ({})))
  for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer, ...layers)
  return world
}

/** The blob through the house, whole and right. */
export async function fetchRight(world: Pick<MirroredWorld, 'house' | 'blob'>, digest = layer.digest): Promise<void> {
  const reply = await ask(world.blob('lab/tool', digest))
  expect([reply.status, reply.end, reply.sha256]).toEqual([200, 'clean', digest])
  await untilHeld(world.house.storePath, digest)
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
}
