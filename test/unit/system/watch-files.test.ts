import { rename, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { watchFiles } from '../../../src/system/watch-files.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
let clock: HandClock
let changes: number
let stop: () => Promise<void>
const at = (name: string) => join(folder.path, name)

beforeEach(async () => {
  folder = await tempFolder()
  clock = createHandClock()
  changes = 0
  await Promise.all(['one', 'two'].map((name) => writeFile(at(name), name)))
  await symlink('one', at('link'))
  stop = await watchFiles([at('one'), at('two'), at('link')], {
    clock,
    everyMs: 1000,
    changed: async () => {
      changes++
    },
  })
})
afterEach(async () => {
  await stop()
  await folder[Symbol.asyncDispose]()
})

async function renamedOver(name: string): Promise<void> {
  await writeFile(at('new'), name)
  await rename(at('new'), at(name))
}

async function linkedElsewhere(name: string, target: string): Promise<void> {
  await unlink(at(name))
  await symlink(target, at(name))
}

/** The watcher has looked, and sleeps again. */
async function look(times = 1): Promise<void> {
  for (let at = 0; at < times; at++) {
    await clock.advance(1000)
    await clock.asleep()
  }
}

describe('files that are watched', () => {
  test('tell nothing while they stay as they are', async () => {
    await look(5)
    expect(changes).toBe(0)
  })

  test.each([
    ['written to', () => writeFile(at('one'), 'other')],
    ['renamed over', () => renamedOver('two')],
    ['linked elsewhere', () => linkedElsewhere('link', 'two')],
    ['taken away', () => unlink(at('two'))],
  ])('tell that one was %s, once', async (_what, change) => {
    await change()
    await look(4)
    expect(changes).toBe(1)
  })

  test('tell it only when they have come to rest', async () => {
    for (let round = 0; round < 4; round++) {
      await writeFile(at('one'), `round ${round}`)
      await look()
      expect(changes).toBe(0)
    }
    await look(2)
    expect(changes).toBe(1)
  })
})
