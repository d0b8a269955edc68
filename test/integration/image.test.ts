import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lab } from '../kit/world.ts'

expectNoLeaks()

/** The instructions of the last stage of the Dockerfile: what is run of it. */
function lastStage(): readonly (readonly [name: string, rest: string])[] {
  const text = readFileSync('Dockerfile', 'utf8').replaceAll(/^#.*\n/gm, '')
  const stage = text.slice(text.lastIndexOf('FROM '))
  return stage.split('\n').flatMap((line) => {
    const [, name, rest] = /^([A-Z]+) (.+)$/.exec(line) ?? []
    return name === undefined ? [] : [[name, rest!] as const]
  })
}

const stage = lastStage()
const allOf = (name: string) => stage.flatMap(([one, rest]) => (one === name ? rest : []))

/** Words as they are run: a text, unlike a list, would be given to a shell. */
const wordsOf = (text: string | undefined) => JSON.parse(text ?? '') as readonly string[]

describe('the container image', () => {
  test('is run without a shell, by a user who is not root and has a number', () => {
    expect(wordsOf(allOf('ENTRYPOINT')[0])[0]).toBe('node')
    expect(wordsOf(allOf('CMD')[0])).toEqual(['serve'])
    expect(allOf('USER')).toEqual([expect.stringMatching(/^[1-9]\d*:[1-9]\d*$/)])
    const order = stage.map(([name]) => name)
    expect(order.lastIndexOf('RUN')).toBeLessThan(order.indexOf('USER'))
  })

  test('has what was built, its settings and its libraries, and no sources', () => {
    const copied = allOf('COPY').join(' ')
    for (const one of ['/src/dist', '/src/config', '/src/node_modules', '/src/package.json']) expect(copied).toContain(one)
    expect(copied).not.toContain('/src/src')
  })

  test('tells by its health check whether the server lives', async () => {
    const [program, ...words] = wordsOf(allOf('HEALTHCHECK')[0]?.replace(/^CMD /, ''))
    expect(program).toBe('node')
    const house = await startHouse({ upstreams: { [lab]: { url: 'http://127.0.0.1:9' } } })
    const check = async () => {
      const child = spawn(process.execPath, words, { env: { FOREBAY_STORE_PATH: house.storePath }, stdio: 'ignore' })
      return (await once(child, 'close'))[0]
    }
    try {
      expect(await check()).toBe(0)
    } finally {
      await house.stop({ keep: true })
    }
    expect(await check()).toBe(1)
    await house.stop()
  })
})
