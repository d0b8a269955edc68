import type { ClientAddresses } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import { answerShortly } from './short-answer.ts'
import type { RequestTarget } from './target.ts'

/** Answers with where the same is by https; false for what is served as it came. */
export type Redirect = (exchange: Exchange, target: RequestTarget) => boolean

// Old clients of shub follow no redirect, or forget on the way what they asked for.
const stays = /^\/+(?:api|shub)(?:\/|$)/

export function createRedirect(publicUrl: () => string | undefined, addresses: Pick<ClientAddresses, 'isSecure'>): Redirect {
  return (exchange, { path, query }) => {
    const own = publicUrl()
    if (!own?.startsWith('https:') || stays.test(path) || addresses.isSecure(exchange.incoming)) return false
    const { method } = exchange.incoming
    const location = `${own}${path}${query === '' ? '' : `?${query}`}`
    answerShortly(exchange, {
      // Older clients do not know 308, which keeps the method.
      status: method === 'GET' || method === 'HEAD' ? 301 : 308,
      body: `This is at ${own} now.\n`,
      mediaType: 'text/plain; charset=utf-8',
      own: ['Location', location],
    })
    return true
  }
}
