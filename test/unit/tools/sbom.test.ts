import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type LockFile, printSbom } from '../../../tools/sbom.ts'
import { mistakesInCycloneDx } from '../../kit/cyclonedx.ts'

interface Component {
  readonly 'bom-ref': string
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly scope: string
  readonly hashes: readonly { readonly alg: string; readonly content: string }[]
  readonly licenses: readonly object[]
}

interface Sbom {
  readonly metadata: { readonly component: Component }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[]
}

const read = (lock: LockFile) => JSON.parse(printSbom(lock)) as Sbom
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile
const own = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, Record<string, string>>

describe('what a release is made of', () => {
  const { metadata, components, dependencies } = read(lock)

  test('is every package of the lock file that is not for development only', () => {
    const wanted = Object.entries(lock.packages).filter(([place, one]) => place !== '' && !('dev' in one))
    const names = wanted.map(([place, { version }]) => `${place.replace(/.*node_modules\//, '')}@${version}`)
    expect(components.map(({ name, version }) => `${name}@${version}`).sort()).toEqual(names.sort())
    expect(components.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(own.dependencies!)))
  })

  test('is a document as CycloneDX wants it', () => expect(mistakesInCycloneDx(JSON.parse(printSbom(lock)))).toEqual([]))

  test('has a hash, a licence and a scope for each', () => {
    for (const { name, hashes, licenses, scope } of components) {
      expect([name, hashes.length, hashes[0]!.alg, hashes[0]!.content]).toEqual([
        name,
        1,
        'SHA-512',
        expect.stringMatching(/^[0-9a-f]{128}$/),
      ])
      expect([name, licenses.length]).toEqual([name, 1])
      expect([name, scope]).toEqual([name, name in own.optionalDependencies! ? 'optional' : 'required'])
    }
  })

  test('says who needs whom, and names nobody who is not in it', () => {
    const refs = [metadata.component['bom-ref'], ...components.map((one) => one['bom-ref'])]
    expect(new Set(refs).size).toBe(refs.length)
    expect(dependencies.map(({ ref }) => ref)).toEqual(refs)
    const named = dependencies.flatMap(({ dependsOn }) => dependsOn)
    expect(named.filter((one) => !refs.includes(one))).toEqual([])
    expect(refs.slice(1).filter((one) => !named.includes(one))).toEqual([]) // nothing is there for nobody
  })

  test('is the same each time, and tells nothing of where it was made', () => {
    expect(printSbom(lock)).toBe(printSbom(structuredClone(lock)))
    const text = printSbom(lock)
    expect(text).not.toContain(process.cwd())
    expect([...text.matchAll(/https?:\/\/[^/"]+/g)].map(String)).toEqual(['http://cyclonedx.org'])
    expect(text).not.toMatch(/timestamp|serialNumber/)
  })
})

describe('of a lock file', () => {
  const integrity = `sha512-${Buffer.alloc(64, 7).toString('base64')}`
  const packages = {
    '': { name: 'x', version: '1.0.0', license: 'MIT', dependencies: { a: '1', '@s/b': '1' }, devDependencies: { d: '1' } },
    'node_modules/a': { version: '1.0.0', license: '(MIT OR ISC)', integrity, dependencies: { c: '2' } },
    'node_modules/a/node_modules/c': { version: '2.0.0', integrity, peerDependencies: { nobody: '1' } },
    'node_modules/@s/b': { version: '1.1.0', integrity, dependencies: { c: '1', d: '1' } },
    'node_modules/c': { version: '1.0.0', integrity },
    'node_modules/d': { version: '1.0.0', integrity },
    'node_modules/e': { version: '1.0.0', integrity, dev: true },
  }

  test('a package is the one that is found from where it is needed', () => {
    expect(read({ packages }).dependencies).toEqual([
      { ref: 'pkg:npm/x@1.0.0', dependsOn: ['pkg:npm/%40s/b@1.1.0', 'pkg:npm/a@1.0.0'] },
      { ref: 'pkg:npm/%40s/b@1.1.0', dependsOn: ['pkg:npm/c@1.0.0', 'pkg:npm/d@1.0.0'] },
      { ref: 'pkg:npm/a@1.0.0', dependsOn: ['pkg:npm/c@2.0.0'] },
      { ref: 'pkg:npm/c@2.0.0', dependsOn: [] },
      { ref: 'pkg:npm/c@1.0.0', dependsOn: [] },
      { ref: 'pkg:npm/d@1.0.0', dependsOn: [] },
    ])
  })

  test('a licence that is a choice is told as one, and one that is not told is left out', () => {
    const licences = read({ packages }).components.map(({ name, licenses }) => [name, licenses])
    expect(licences.slice(0, 3)).toEqual([
      ['@s/b', []],
      ['a', [{ expression: '(MIT OR ISC)' }]],
      ['c', []],
    ])
  })

  test('the same package in two folders is one, which needs what either does', () => {
    const twice = {
      ...packages,
      'node_modules/@s/b/node_modules/c': { version: '2.0.0', integrity, optional: true, dependencies: { d: '1' } },
      'node_modules/a/node_modules/c': { version: '2.0.0', integrity, dependencies: { '@s/b': '1' } },
    }
    const sbom = read({ packages: twice })
    expect(mistakesInCycloneDx(sbom)).toEqual([])
    expect(sbom.components.map(({ name, version, scope }) => `${name}@${version} ${scope}`)).toContain('c@2.0.0 required')
    expect(sbom.dependencies).toContainEqual({
      ref: 'pkg:npm/c@2.0.0',
      dependsOn: ['pkg:npm/%40s/b@1.1.0', 'pkg:npm/d@1.0.0'],
    })
  })

  test.each([
    ['LGPL-3.0+', { expression: 'LGPL-3.0+' }],
    ['SEE LICENSE IN LICENSE.md', { license: { name: 'SEE LICENSE IN LICENSE.md' } }],
    ['UNLICENSED', { license: { name: 'UNLICENSED' } }],
  ])('a licence called %s is told as what it is', (license, told) => {
    const sbom = read({ packages: { ...packages, 'node_modules/a': { ...packages['node_modules/a'], license } } })
    expect(mistakesInCycloneDx(sbom)).toEqual([])
    expect(sbom.components.find(({ name }) => name === 'a')!.licenses).toEqual([told])
  })

  test('a version with a build is written so that it can be read back', () => {
    const sbom = read({ packages: { ...packages, 'node_modules/c': { version: '1.0.0-rc.1+build.7', integrity } } })
    expect(mistakesInCycloneDx(sbom)).toEqual([])
    expect(sbom.components.map(({ purl }) => purl)).toContain('pkg:npm/c@1.0.0-rc.1%2Bbuild.7')
  })

  test.each([
    ['a package that is needed', { 'node_modules/a': undefined }],
    ['a hash', { 'node_modules/c': { version: '1.0.0' } }],
  ])('without %s nothing is made', (_, less) => {
    const broken = { packages: { ...packages, ...less } } as unknown as LockFile
    expect(() => printSbom(broken)).toThrow('the lock file has no')
  })
})

describe('a document that is none is found out:', () => {
  const own = JSON.parse(printSbom(lock))
  const [first, second] = own.components

  test.each<[string, object]>([
    ['a field that there is not', { made: 'today' }],
    ['another version of the format', { specVersion: '1.9' }],
    ['a component that is there twice', { components: [...own.components, first] }],
    ['a component that the graph has not', { dependencies: own.dependencies.slice(0, -1) }],
    [
      'a dependency on nobody',
      { dependencies: own.dependencies.with(1, { ref: first.purl, dependsOn: ['pkg:npm/nobody@1.0.0'] }) },
    ],
    ['one that nobody needs', { dependencies: own.dependencies.with(0, { ref: own.metadata.component.purl, dependsOn: [] }) }],
    ...[
      ['a component without a name', { name: undefined }] as const,
      ['a component of no type', { type: 'package' }] as const,
      ['a reference that is there twice', { 'bom-ref': second['bom-ref'] }] as const,
      ['a purl of another version', { purl: `${first.purl}0` }] as const,
      ['a purl with a scope that is not escaped', { purl: `pkg:npm/${first.name}@${first.version}` }] as const,
      ['a hash in base64', { hashes: [{ alg: 'SHA-512', content: 'q83v' }] }] as const,
      ['a licence that nobody knows', { licenses: [{ license: { id: 'MIT License' } }] }] as const,
      ['an expression that is none', { licenses: [{ expression: 'MIT OR' }] }] as const,
      ['a licence told twice', { licenses: [{ license: { id: 'MIT' }, expression: 'MIT' }] }] as const,
    ].map(([what, changed]): [string, object] => [what, { components: own.components.with(0, { ...first, ...changed }) }]),
  ])('%s', (_, changed) => expect(mistakesInCycloneDx({ ...own, ...changed })).not.toEqual([]))
})
