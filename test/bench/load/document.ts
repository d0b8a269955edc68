/** @throws when the answer is anything but a 200 */
export async function documentAt(url: string, accept: string): Promise<Buffer> {
  const answer = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(20_000) })
  if (answer.status !== 200) throw new Error(`GET ${url} was answered ${answer.status}`)
  return Buffer.from(await answer.arrayBuffer())
}
