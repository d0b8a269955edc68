import { defineConfig } from 'vitest/config'

const project = (name: string, testTimeout: number, maxWorkers = 2) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout,
    hookTimeout: testTimeout,
    maxWorkers,
    expect: { poll: { timeout: testTimeout / 2 } },
  },
})

export default defineConfig({
  test: {
    passWithNoTests: false,
    projects: [project('unit', 10_000), project('contract', 20_000), project('integration', 60_000), project('e2e', 300_000, 1)],
  },
})
