import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { configJsonSchema } from '../../../src/config/json-schema.ts'
import { loadConfig } from '../../../src/config/load.ts'

const file = 'config/site.example.yaml'
const asShipped = readFileSync(file, 'utf8')
/** With what is off switched on. Of two lines with one key the later would be a second one, so it takes the place of the first. */
const everythingOn = asShipped.replace(/^( *)#(\w+):/gm, '$1$2:')
/** The same with the first of them. */
const firstOnes = everythingOn.replace(/^( *)(\w+):(.*)\n\1\2:.*$/gm, '$1$2:$3')
const folder = mkdtempSync(join(tmpdir(), 'forebay-test-'))
afterAll(() => rmSync(folder, { recursive: true }))

type Node = Readonly<Record<string, unknown>>

/** `listen.port`, `upstreams.*.freshFor`, …: every path below the root, through lists and alternatives. */
function settingsOf(node: Node, path: string): string[] {
  const below = Object.entries((node.properties ?? {}) as Record<string, Node>).flatMap(([key, child]) => [
    join(path, key),
    ...settingsOf(child, join(path, key)),
  ])
  const alternatives = ((node.anyOf ?? []) as Node[]).flatMap((child) => settingsOf(child, path))
  const listed = node.items ? settingsOf(node.items as Node, path) : []
  const named = node.additionalProperties ? settingsOf(node.additionalProperties as Node, join(path, '*')) : []
  return [...new Set([...below, ...alternatives, ...listed, ...named])]
}

function pathsOf(value: unknown, path: string): string[] {
  if (Array.isArray(value)) return value.flatMap((one) => pathsOf(one, path))
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, child]) => {
    const name = path === 'upstreams' ? '*' : key
    return [join(path, name), ...pathsOf(child, join(path, name))]
  })
}

const settings = settingsOf(configJsonSchema(), '')

describe('the example of a settings file', () => {
  test('there are settings to look for', () => {
    expect(settings).toContain('upstreams/*/credentials/password/env')
    expect(settings.length).toBeGreaterThan(40)
  })

  test('it is valid as it is', () => {
    expect([...loadConfig(file, {}).upstreams.keys()]).toEqual([
      'docker.io',
      'ghcr.io',
      'nvcr.io',
      'sylabs',
      'hub',
      'storage',
      'data',
    ])
  })

  test('every setting stands in it, on or off', () => {
    const texts = [asShipped, everythingOn, firstOnes]
    const found = new Set(texts.flatMap((text) => pathsOf(parse(text, { uniqueKeys: false }), '')))
    expect(settings.filter((path) => !found.has(path))).toEqual([])
  })

  test('what is off in it is valid too', () => {
    const text = JSON.stringify(parse(everythingOn, { uniqueKeys: false }))
    writeFileSync(join(folder, 'on.json'), text)
    const config = loadConfig(join(folder, 'on.json'), {})
    expect(config.records.url).toBe('redis://records.site.example:6379/0')
    expect(config.outbound.proxies.https?.host).toBe('proxy.site.example:3128')
  })

  test('the values it shows are those used when it is not there', () => {
    writeFileSync(join(folder, 'least.yaml'), 'upstreams: { docker.io: { kind: oci, url: "https://registry-1.docker.io" } }')
    const shown = loadConfig(file, {}, { relativeTo: folder })
    const least = loadConfig(join(folder, 'least.yaml'), {})
    for (const section of [
      'trustedProxies',
      'limits',
      'store',
      'records',
      'catalog',
      'transfer',
      'outbound',
      'log',
      'drainTimeout',
    ] as const)
      expect(shown[section], section).toEqual(least[section])
    const upstream = (config: typeof shown) => ({
      ...[...config.upstreams.values()][0],
      credentials: undefined,
      hosts: [],
      mirrors: [],
    })
    expect(upstream(shown)).toEqual(upstream(least))
  })
})
