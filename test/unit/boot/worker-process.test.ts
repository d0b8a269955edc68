import { afterEach, expect, test } from 'vitest'
import { startWorkerProcess, type WorkerProcessDeps } from '../../../src/boot/worker-process.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

const program = process.execPath
afterEach(() => {
  process.execPath = program
})

const deps = (): WorkerProcessDeps => ({
  house: { catalog: { isSigning: false, linksVersion: '1', hitsVersion: 1 }, uses: {} } as unknown as WorkerProcessDeps['house'],
  promises: {} as WorkerProcessDeps['promises'],
  failures: {} as WorkerProcessDeps['failures'],
  metrics: async () => '',
  log: createRecordedLog(),
})

test('one that cannot be started has ended, and lets nobody wait', async () => {
  process.execPath = '/nowhere/node'
  const worker = startWorkerProcess(deps())
  const begun = worker.channel.call('begin', []).catch((error: unknown) => error)
  expect(await worker.ended).toContain('ENOENT')
  expect(await begun).toMatchObject({ code: 'internal' })
})
