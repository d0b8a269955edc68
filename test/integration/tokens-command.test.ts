import { expect, test } from 'vitest'
import { startCommand } from '../kit/command.ts'
import { writeSettings } from '../kit/settings.ts'

test('forebay tokens issues a token that is told once, lists it without it, and revokes it', async () => {
  const written = await writeSettings({ upstreams: { 'lab.example': { url: 'http://127.0.0.1:1' } } }, 0)
  try {
    const run = (...words: string[]) => startCommand(['tokens', ...words, '--config', written.file]).ended
    const issued = await run('issue', 'ci', '--expires', '90d', '--json')
    const { id, token, createdAt, expiresAt } = JSON.parse(issued.text)
    expect(expiresAt - createdAt).toBe(90 * 24 * 3_600_000)
    const listed = await run('list')
    expect([listed.code, listed.text]).toEqual([0, expect.stringContaining(id)])
    expect(listed.text + listed.stderr).not.toContain(token)
    expect((await run('revoke', id)).code).toBe(0)
    expect((await run('revoke', id)).code).toBe(3)
    expect(JSON.parse((await run('list', '--json')).text)).toEqual([])
    for (const wrong of [
      ['issue', 'anonymous'],
      ['issue', 'ci', '--expires', 'soon'],
    ])
      expect((await run(...wrong)).code).not.toBe(0)
  } finally {
    await written.remove()
  }
})
