import type { Config } from './config.ts'

/**
 * How clients reach us, without a slash at its end. Not set: the first listener, unless that is one for every address;
 * `actual` is its URL, once it listens.
 */
export function publicUrlOf(
  { publicUrl, listen: [first] }: Pick<Config, 'publicUrl' | 'listen'>,
  actual?: string,
): string | undefined {
  const isForAll = first === undefined || first.host === '0.0.0.0' || first.host === '::'
  const guessed = isForAll ? undefined : (actual ?? (first.port > 0 ? urlOf(first) : undefined))
  return (publicUrl?.href ?? guessed)?.replace(/\/+$/, '')
}

function urlOf({ host, port, tls }: Config['listen'][number]): string {
  return `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
