import { arch, networkInterfaces } from 'node:os'

/** By Node's names, those of Go where they differ. */
const names: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', mipsel: 'mipsle', ppc64: 'ppc64le' }

/** The architecture of this machine, as Go names it: so do image indexes, libraries and SIF files. */
export function machineArch(): string {
  return names[arch()] ?? arch()
}

/** The addresses under which it can be reached, as far as it knows them itself. */
export function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap((all = []) => all.map(({ address }) => address))
}
