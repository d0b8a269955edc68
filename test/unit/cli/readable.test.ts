import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { unreadable } from '../../../src/cli/readable.ts'
import { loadConfig } from '../../../src/config/load.ts'
import { tempFolder } from '../../kit/temp-folder.ts'

test('files of a listener that cannot be read here are noted, each by its setting', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'site.yaml')
  await writeFile(join(folder.path, 'tls.crt'), 'there')
  await writeFile(
    file,
    'upstreams: { a: { kind: oci, url: "https://a.example" } }\nlisten: [{ port: 1 }, { port: 2, tls: { certificate: tls.crt, key: tls.key, clientCa: ca.crt } }]\n',
  )
  expect(unreadable(loadConfig(file, {}))).toEqual([
    expect.stringMatching(/^listen\.1\.tls\.key: ENOENT.*tls\.key/),
    expect.stringMatching(/^listen\.1\.tls\.clientCa: ENOENT.*ca\.crt/),
  ])
})
