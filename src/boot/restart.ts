import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/config.ts'

/** Settings that a running server goes on with as it was started, by their names in the file. */
export function waitingForRestart(running: Config, wanted: Config): readonly string[] {
  const differ = (name: string, one: unknown, other: unknown) => (isDeepStrictEqual(one, other) ? [] : [name])
  return [
    ...differ('listen', running.listen, wanted.listen),
    ...differ('store.path', running.store.path, wanted.store.path),
    ...differ('store.memory', running.store.memory, wanted.store.memory),
    ...differ('records.url', running.records.url, wanted.records.url),
  ]
}

/** The wanted settings, but for those. */
export function withoutRestart({ listen, store, records }: Config, wanted: Config): Config {
  return { ...wanted, listen, records, store: { ...wanted.store, path: store.path, memory: store.memory } }
}
