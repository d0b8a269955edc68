/** Milliseconds of the machine's monotonic clock: comparable between processes on one machine, and never set back. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6
