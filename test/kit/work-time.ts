/** Milliseconds for which this thread was at work on it, whatever else kept the machine busy meanwhile. */
export function workTime(work: () => unknown): number {
  const before = process.threadCpuUsage()
  work()
  return process.threadCpuUsage(before).user / 1000
}
