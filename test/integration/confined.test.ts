import { chmod, lstat, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { confined, confinementMissing, nobody } from '../kit/confined.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const missing = confinementMissing()
const tool = image({ seed: 'confined', layers: [3_000_000] })
const password = 'S3cret-of-the-site'
const variable = 'FOREBAY_TEST_PASSWORD'

async function privateUpstream() {
  const upstream = await createFakeUpstream({ auth: { kind: 'basic', users: { robot: password } } })
  upstream.push('lab/tool', tool, 'v1')
  const credentials = { username: 'robot', password: { env: variable } }
  return { upstream, settings: { [lab]: { url: upstream.url, credentials } } }
}

/** What anybody on the machine can see of a process and of those that it started. */
async function commandLines(pid: number): Promise<readonly string[]> {
  const below = (await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8')).split(' ').filter(Boolean).map(Number)
  const own = await readFile(`/proc/${pid}/cmdline`, 'utf8')
  return [own, ...(await Promise.all(below.map((child) => commandLines(child).catch(() => [])))).flat()]
}

/** `mode owner path` of all that lies below, less the folder itself. */
async function modesBelow(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder, { recursive: true })
  const all = await Promise.all(
    names.map(async (name) => {
      const stats = await lstat(join(folder, name)).catch(() => undefined) // a journal of the records may just have gone
      if (!stats) return []
      const kind = stats.isDirectory() ? 'folder' : stats.isSocket() ? 'socket' : 'file'
      return [`${kind} ${(stats.mode & 0o777).toString(8)} of ${stats.uid}: ${name}`]
    }),
  )
  return all.flat()
}

test.skipIf(missing)(
  `a server that may write to its store and nowhere else, and has no rights, works; what it keeps is for its own user only${missing ? ` (${missing})` : ''}`,
  async () => {
    const { upstream, settings } = await privateUpstream()
    await using _ = upstream
    await using house = await startHouseProcess({
      upstreams: settings,
      defaults: { oci: lab },
      under: confined,
      env: { [variable]: password },
    })
    const here = urlsOf(house.url)
    for (let time = 0; time < 2; time++) {
      const replies = [
        await ask(here.manifest('lab/tool', 'v1')),
        await ask(here.blob('lab/tool', tool.blobs[0]!.digest)),
        await ask(here.blob('lab/tool', tool.blobs[1]!.digest)),
        await ask(`${house.url}/blobs/${tool.blobs[1]!.digest.replace(':', '/')}.meta4`),
        await ask(`${house.url}/metrics`),
      ]
      expect(replies.map(({ status, end }) => [status, end])).toEqual(replies.map(() => [200, 'clean']))
      await untilHeld(house.storePath, tool.blobs[1]!.digest)
    }
    const status = await readFile(`/proc/${house.pid}/status`, 'utf8')
    expect(/^Uid:.*$/m.exec(status)?.[0].split(/\s+/).slice(1)).toEqual(Array(4).fill(String(nobody)))
    expect(/^CapEff:\s*(.*)$/m.exec(status)?.[1]).toMatch(/^0+$/)

    const modes = await modesBelow(house.storePath)
    expect(modes.length).toBeGreaterThan(8)
    const own = new RegExp(`^(folder 700|file 600|socket [67]00) of ${nobody}: `)
    expect(modes.filter((line) => !own.test(line))).toEqual([])
    for (const line of await commandLines(house.pid)) expect(line).not.toContain(password)
    expect(await house.kill('SIGTERM')).toBe(0)
    expect(house.output()).not.toMatch(/EROFS|EACCES|EPERM|"level":"(?:error|warn)"/)
    expect(house.output()).not.toContain(password)
  },
)

test('what is started to tell systemd sees nothing but where to tell it', async () => {
  await using folder = await tempFolder()
  const seen = join(folder.path, 'seen')
  await writeFile(join(folder.path, 'systemd-notify'), `#!/bin/sh\n{ echo "$@"; export -p; } >> '${seen}'\n`)
  await chmod(join(folder.path, 'systemd-notify'), 0o755)
  const { upstream, settings } = await privateUpstream()
  await using _ = upstream
  const env = { [variable]: password, NOTIFY_SOCKET: '/nowhere/notify', PATH: `${folder.path}:${process.env.PATH}` }
  await using house = await startHouseProcess({ upstreams: settings, env })
  const told = () => readFile(seen, 'utf8').catch(() => '')
  await until(async () => (await told()).includes('READY=1'), 'READY=1')
  expect(await house.kill('SIGTERM')).toBe(0)
  const text = await told()
  expect(text).toContain('STOPPING=1')
  expect(text).not.toContain(password)
  const names = [...text.matchAll(/^export (\w+)/gm)].map(([, name]) => name)
  expect(new Set(names)).toEqual(new Set(['NOTIFY_SOCKET', 'PATH', 'PWD']))
})
