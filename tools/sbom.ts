import { readFileSync, writeFileSync } from 'node:fs'

/** As npm writes it, less what is not needed here. @see https://docs.npmjs.com/cli/configuring-npm/package-lock-json */
export interface LockFile {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

interface LockedPackage {
  readonly name?: string
  readonly version?: string
  readonly license?: string
  readonly integrity?: string
  readonly optional?: boolean
  readonly dependencies?: Names
  readonly optionalDependencies?: Names
  readonly peerDependencies?: Names
}

type Names = Readonly<Record<string, string>>

const folder = 'node_modules/'

/**
 * What a release is made of: every package that comes along when it is installed, those for other machines included, as a
 * CycloneDX document. It depends on the lock file alone, so that the same sources give the same bytes. npm's own (`npm sbom`)
 * names the folder it was run in, and leaves out what is also needed for development.
 *
 * @see CycloneDX 1.5, https://cyclonedx.org/docs/1.5/json/; purl-spec, "npm"
 */
export function printSbom({ packages }: LockFile): string {
  const root = packages['']
  if (!root) throw new Error('the lock file has no package of its own')
  const reached = reach(packages)
  const places = [...reached.keys()].filter((place) => place !== '').sort()
  const document = {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: { type: 'application', ...identityOf('', root) } },
    components: [...byPurl(places, packages).values()].map((same) => componentOf(same, packages)),
    dependencies: [...byPurl(['', ...places], packages)].map(([ref, same]) => ({
      ref,
      dependsOn: [...new Set(same.flatMap((place) => reached.get(place)!).map((to) => purlOf(to, packages[to]!)))].sort(),
    })),
  }
  return `${JSON.stringify(document, undefined, 2)}\n`
}

/** Each place that the root leads to, other than for development, and the places that it leads to itself. */
function reach(packages: LockFile['packages']): ReadonlyMap<string, readonly string[]> {
  const reached = new Map<string, readonly string[]>()
  const waiting = ['']
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    if (reached.has(place)) continue
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = packages[place]!
    const maybe = { ...peerDependencies, ...optionalDependencies }
    const from = place
    const found = Object.keys({ ...maybe, ...dependencies }).flatMap((name) => {
      const to = find(packages, from, name)
      if (to === undefined && !(name in maybe)) throw new Error(`the lock file has no ${name}, which ${from || 'it'} needs`)
      return to ?? []
    })
    reached.set(place, found)
    waiting.push(...found)
  }
  return reached
}

/** Where Node would find it: in the nearest folder upwards. */
function find(packages: LockFile['packages'], from: string, name: string): string | undefined {
  for (let above = from; ; above = above.slice(0, Math.max(0, above.lastIndexOf(`/${folder}`)))) {
    const place = `${above && `${above}/`}${folder}${name}`
    if (packages[place]) return place
    if (above === '') return undefined
  }
}

/** npm puts the same version of a package into several folders where their neighbours are of other versions. */
function byPurl(places: readonly string[], packages: LockFile['packages']): Map<string, [string, ...string[]]> {
  const found = new Map<string, [string, ...string[]]>()
  for (const place of places) {
    const purl = purlOf(place, packages[place]!)
    const same = found.get(purl)
    if (same) same.push(place)
    else found.set(purl, [place])
  }
  return found
}

function componentOf(same: readonly [string, ...string[]], packages: LockFile['packages']): object {
  const [place] = same
  const one = packages[place]!
  const [, algorithm, hash] = /^(sha\d+)-(.+)$/.exec(one.integrity ?? '') ?? []
  if (algorithm !== 'sha512' || hash === undefined) throw new Error(`the lock file has no sha512 of ${place}`)
  return {
    type: 'library',
    ...identityOf(place, one),
    scope: same.every((place) => packages[place]!.optional) ? 'optional' : 'required',
    hashes: [{ alg: 'SHA-512', content: Buffer.from(hash, 'base64').toString('hex') }],
  }
}

function identityOf(place: string, one: LockedPackage): object {
  const purl = purlOf(place, one)
  return { 'bom-ref': purl, name: nameOf(place, one), version: one.version, purl, licenses: licensesOf(one) }
}

function nameOf(place: string, { name }: LockedPackage): string {
  return name ?? place.slice(place.lastIndexOf(folder) + folder.length)
}

function purlOf(place: string, one: LockedPackage): string {
  if (one.version === undefined) throw new Error(`the lock file has no version of ${place}`)
  return `pkg:npm/${nameOf(place, one).replace(/^@/, '%40')}@${encodeURIComponent(one.version)}`
}

function licensesOf({ license }: LockedPackage): readonly object[] {
  if (license === undefined) return []
  // What npm has for those that are in no list of licences. @see https://docs.npmjs.com/cli/configuring-npm/package-json#license
  if (/^(?:UNLICENSED$|SEE LICEN[CS]E IN )/.test(license)) return [{ license: { name: license } }]
  return [/^[\w.-]+$/.test(license) ? { license: { id: license } } : { expression: license }]
}

if (import.meta.main) {
  const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile
  writeFileSync('dist/sbom.cdx.json', printSbom(lock))
}
