import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { type LockFile, printSbom } from '../../../tools/sbom.ts'

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

  test.each([
    ['a package that is needed', { 'node_modules/a': undefined }],
    ['a hash', { 'node_modules/c': { version: '1.0.0' } }],
  ])('without %s nothing is made', (_, less) => {
    const broken = { packages: { ...packages, ...less } } as unknown as LockFile
    expect(() => printSbom(broken)).toThrow('the lock file has no')
  })
})
