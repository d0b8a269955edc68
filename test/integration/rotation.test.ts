import { copyFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { hashSync } from 'bcryptjs'
import { expect, test } from 'vitest'
import { basic } from '../kit/access-world.ts'
import { ask, askHashed } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { type ProcessSettings, startHouseProcess } from '../kit/house-process.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const downloads = 100

/** Who signed the certificate that whoever connects now is shown. */
function issuerAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, ca: trustedAuthorities() }, () => {
      resolve(String(socket.getPeerCertificate().issuer.CN))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

test.each([
  ['one process', []],
  ['two workers', ['--workers', '2']],
])('another certificate, other passwords and other settings break none of a hundred downloads: %s', async (_, args) => {
  await using upstream = await createFakeUpstream()
  await using folder = await tempFolder()
  const [plain, secure] = [await deadPort(), await deadPort()]
  const users = join(folder.path, 'htpasswd')
  const files = { certificate: join(folder.path, 'tls.crt'), key: join(folder.path, 'tls.key') }
  const place = async (name: 'server' | 'next', password: string) => {
    await copyFile(tlsFiles(name).certificate, files.certificate)
    await copyFile(tlsFiles(name).key, files.key)
    await writeFile(users, `alice:${hashSync(password, 4).replace('$2b$', '$2y$')}\n`)
  }
  const settings = (more: object): ProcessSettings => ({
    upstreams: { [lab]: { url: upstream.url } },
    storePath: folder.path,
    port: plain,
    args,
    more: {
      listen: [
        { host: '127.0.0.1', port: plain },
        { host: '127.0.0.1', port: secure, tls: files },
      ],
      access: { anonymous: 'none', users: { file: users } },
      ...more,
    },
  })
  await place('server', 'before-1')
  await using house = await startHouseProcess(settings({}))
  const layer = blob(3 * MiB, 'rotation')
  upstream.pushBlob('lab/tool', layer)
  const url = urlsOf(`https://127.0.0.1:${secure}`).blob('lab/tool', layer.digest)
  const as = (password: string) => ({ headers: { authorization: basic('alice', password) } })
  const gate = upstream.hold({ path: layer.digest, method: 'GET' })
  const running = Array.from({ length: downloads }, () => askHashed(url, as('before-1')))
  gate.release(2 * MiB)
  await gate.sent(2 * MiB)
  const open = async () => {
    const { body } = await ask(`http://127.0.0.1:${plain}/metrics`, as('before-1'))
    return Number(/^edge_requests_open (\d+)$/m.exec(body.toString())?.[1] ?? 0)
  }
  await house.reload(settings({ access: { anonymous: 'none', users: { file: users }, admins: ['alice'] } }))
  await until(async () => (await open()) >= downloads, 'all of them are being answered')
  const before = await issuerAt(secure)
  await place('next', 'after-2')
  await until(async () => (await issuerAt(secure)) !== before, 'the other certificate is shown')
  // Each process looks at the files for itself.
  const statuses = async (password: string) => {
    const replies = await Promise.all(Array.from({ length: 8 }, () => ask(url, { ...as(password), method: 'HEAD' })))
    return new Set(replies.map(({ status }) => status))
  }
  for (const [password, status] of [
    ['before-1', 401],
    ['after-2', 200],
  ] as const)
    await expect.poll(() => statuses(password), { message: `with ${password}` }).toEqual(new Set([status]))
  gate.open()
  for (const reply of await Promise.all(running)) expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
  expect(upstream.bodies(layer.digest)).toBe(1)
})
