import { request } from 'node:http'
import { openSocketPath } from '../system/socket-path.ts'

/** Does the server behind this unix socket answer that it lives? Takes at most `patienceMs`. */
export async function answersHealthy(path: string, patienceMs: number): Promise<boolean> {
  using address = openSocketPath(path)
  const signal = AbortSignal.timeout(patienceMs)
  return new Promise((resolve) => {
    const asking = request({ socketPath: address.path, path: '/healthz', agent: false, signal }, (answer) => {
      answer.resume()
      answer.once('error', () => resolve(false))
      answer.once('end', () => resolve(answer.statusCode === 200))
    })
    asking.once('error', () => resolve(false))
    asking.end()
  })
}
