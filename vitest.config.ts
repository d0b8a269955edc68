import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'
import { createSecondTryReporter } from './test/kit/second-try.ts'

// The tests start this program hundreds of times, and half of each start is compiling.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL('node_modules/.cache/compiled', import.meta.url))

const project = (name: string, testTimeout: number, more: object = {}) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    maxWorkers: 2,
    ...more,
    expect: { poll: { timeout: testTimeout / 2 } },
  },
})

export default defineConfig({
  test: {
    passWithNoTests: false,
    reporters: ['default', createSecondTryReporter()],
    projects: [
      project('unit', 60_000, { isolate: false }), // no module has a state to be kept apart
      project('contract', 60_000),
      // Processes, clocks and clients of others: what fails once is told at the end, what fails twice is a failure.
      project('integration', 60_000, { retry: 1 }),
      project('e2e', 300_000, { retry: 1, sequence: { groupOrder: 1 } }), // by themselves: their clients use every core there is
    ],
  },
})
