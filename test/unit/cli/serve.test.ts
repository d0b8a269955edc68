import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Surroundings } from '../../../src/cli/command.ts'
import { serve } from '../../../src/cli/commands/serve.ts'

const defaultConfig = fileURLToPath(new URL('../../../config/default.yaml', import.meta.url))

/** How many workers it would start, and what it said. */
async function asked(workers: string | undefined) {
  let count: number | undefined
  const stderr = new PassThrough()
  const code = await serve.run({ words: [], options: { workers } }, {
    env: {},
    stderr,
    defaultConfig,
    serve: async (_config: unknown, _reread: unknown, workers: number) => {
      count = workers
      return 0
    },
  } as unknown as Surroundings)
  return { code, count, said: String(stderr.read() ?? '') }
}

test('serve does all by itself unless it is told how many processes are to speak to clients', async () => {
  expect(await asked(undefined)).toMatchObject({ code: 0, count: 0 })
  expect(await asked('1')).toMatchObject({ code: 0, count: 0 })
  expect(await asked('2')).toMatchObject({ code: 0, count: 2 })
  const { code, count } = await asked('auto')
  expect(code).toBe(0)
  expect(count).not.toBe(1)
})

test.each(['0', '-1', '65', '2.5', 'many', ''])('serve --workers %j is wrong usage, and says what it takes', async (text) => {
  expect(await asked(text)).toEqual({ code: 2, count: undefined, said: expect.stringContaining('from 1 to 64, or auto') })
})
