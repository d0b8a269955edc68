/** The promise, or the signal's reason as soon as it aborts. */
export function untilGone<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: gone, reject } = Promise.withResolvers<never>()
  const leave = () => reject(signal.reason)
  if (signal.aborted) leave()
  signal.addEventListener('abort', leave, { once: true })
  return Promise.race([promise, gone]).finally(() => signal.removeEventListener('abort', leave))
}
