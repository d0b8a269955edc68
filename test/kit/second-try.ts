import type { Reporter, TestCase } from 'vitest/node'

/** Tells what went well only when it was tried again: an open question, which a green run must not hide. */
export function createSecondTryReporter(print: (text: string) => void = (text) => process.stderr.write(text)): Reporter {
  const told: string[] = []
  return {
    onTestCaseResult(test: TestCase) {
      if (!test.diagnostic()?.flaky) return
      const [first] = test.result().errors ?? []
      told.push(`${test.module.relativeModuleId} > ${test.fullName}\n    ${first?.message ?? 'no error was kept'}`)
    },
    onTestRunEnd() {
      if (told.length > 0) print(`\nWent well at the second try only:\n  ${told.join('\n  ')}\n`)
    },
  }
}
