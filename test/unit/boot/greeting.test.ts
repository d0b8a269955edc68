import { describe, expect, test } from 'vitest'
import { printGreeting } from '../../../src/boot/greeting.ts'
import type { Config } from '../../../src/config/config.ts'

function greeting(url: string, kinds: Readonly<Record<string, string>>): string {
  const upstreams = new Map(Object.entries(kinds).map(([id, kind]) => [id, { id, kind }]))
  return printGreeting(url, { store: { path: '/data' }, upstreams } as unknown as Config)
}

/** The lines to try. */
function lines(url: string, kinds: Readonly<Record<string, string>>): string[] {
  return [...greeting(url, kinds).matchAll(/^ {2}(.*)$/gm)].map(([, line]) => line!)
}

describe('the greeting', () => {
  test('has a line for each client of a registry, with what plain HTTP takes', () => {
    expect(lines('http://127.0.0.1:8080', { 'ghcr.io': 'oci', 'docker.io': 'oci' })).toEqual([
      'apptainer pull --no-https docker://127.0.0.1:8080/docker.io/library/alpine:3.20',
      'skopeo copy --src-tls-verify=false docker://127.0.0.1:8080/docker.io/library/alpine:3.20 dir:pulled',
      'podman pull --tls-verify=false 127.0.0.1:8080/docker.io/library/alpine:3.20',
      'curl http://127.0.0.1:8080/v2/docker.io/library/alpine/manifests/3.20',
    ])
  })

  test('does not tell anybody to do without TLS where there is some', () => {
    expect(lines('https://a.example:8443', { 'ghcr.io': 'oci' })).toEqual([
      'apptainer pull docker://a.example:8443/ghcr.io/NAME:TAG',
      'skopeo copy docker://a.example:8443/ghcr.io/NAME:TAG dir:pulled',
      'podman pull a.example:8443/ghcr.io/NAME:TAG',
      'curl https://a.example:8443/v2/ghcr.io/NAME/manifests/TAG',
    ])
  })

  test('names what is there, and nothing else', () => {
    expect(lines('http://127.0.0.1:8080', { sylabs: 'library', data: 'files', hub: 'shub' })).toEqual([
      'apptainer pull --library http://127.0.0.1:8080/library/sylabs library://ENTITY/COLLECTION/NAME:TAG',
      'curl -O http://127.0.0.1:8080/files/data/PATH',
    ])
    expect(greeting('http://127.0.0.1:8080', { sylabs: 'library' })).toContain('keeps everything in /data')
  })
})
