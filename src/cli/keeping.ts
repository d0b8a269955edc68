import { randomUUID } from 'node:crypto'
import type { Keeping } from '../catalog/catalog.ts'
import type { Config } from '../config/config.ts'
import type { Ask } from '../model/principal.ts'
import type { Surroundings } from './command.ts'
import { connectRemoteCatalog } from './remote-catalog.ts'

/** Works on what is kept: through the server that runs with these settings, else on the store itself. @throws Fault */
export async function withKeeping<Result>(
  config: Config,
  surroundings: Surroundings,
  work: (catalog: Keeping, ask: Ask) => Promise<Result>,
): Promise<Result> {
  const ask: Ask = { principal: { kind: 'operator' }, signal: surroundings.interruption(), requestId: `command-${randomUUID()}` }
  using remote = await connectRemoteCatalog(surroundings.commandSocket(config))
  if (remote) return await work(remote.catalog, ask) // awaited here, for as long as the socket is in use
  const store = await surroundings.openStore(config)
  try {
    return await work(store.catalog, ask)
  } finally {
    await store.close()
  }
}
