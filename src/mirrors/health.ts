import { type Fault, isFault } from '../model/fault.ts'
import type { MirrorState, Outcome } from './mirrors.ts'

/** How one place is doing. */
export interface Health {
  readonly state: MirrorState['state']
  readonly bytesPerSecond: number | undefined
  readonly lastError: string | undefined
  readonly downUntil: number | undefined // epoch ms
  /** False while it is down and its pause is not over; after that one question may try it. */
  mayAsk(): boolean
  report(outcome: Outcome): void
}

const downAfter = 3 // failures in a row
const pauseMs = 30_000 // the first time, doubled each time after
const longestPauseMs = 15 * 60_000
const weight = 0.3 // of the newest measurement
const leastBytes = 256 * 1024 // what is shorter measures the way there, not the width of it

export function createHealth(now: () => number): Health {
  const failures = { bodies: 0, questions: 0 } // in a row, each on its own: some answer HEAD and never GET
  let pauses = 0
  let downUntil: number | undefined
  let speed: number | undefined
  let lastError: string | undefined
  let hasLied = false

  function answered(): void {
    failures.questions = 0
    if (failures.bodies === 0 && !hasLied) pauses = 0
    if (downUntil === undefined || now() < downUntil || hasLied) return // whoever lied has to show bytes
    downUntil = undefined
    failures.bodies = Math.min(failures.bodies, downAfter - 1)
  }

  function worked(bytes: number, ms: number): void {
    failures.bodies = failures.questions = pauses = 0
    downUntil = undefined
    hasLied = false
    if (bytes < leastBytes || ms <= 0) return
    const measured = (bytes * 1000) / ms
    speed = speed === undefined ? measured : speed + weight * (measured - speed)
  }

  function failed(fault: Fault, at: keyof typeof failures): void {
    if (!isItsFault(fault)) return
    lastError = fault.message
    failures[at]++
    // Wrong bytes are no passing trouble.
    hasLied ||= isFault(fault, 'corrupt')
    if (hasLied) downUntil = now() + longestPauseMs
    else if (failures[at] >= downAfter) downUntil = now() + Math.min(longestPauseMs, pauseMs * 2 ** pauses++)
  }

  return {
    get state() {
      if (downUntil !== undefined) return 'down'
      return failures.bodies + failures.questions > 0 ? 'suspect' : 'up'
    },
    get bytesPerSecond() {
      return speed
    },
    get lastError() {
      return lastError
    },
    get downUntil() {
      return downUntil
    },
    mayAsk: () => downUntil === undefined || now() >= downUntil,
    report(outcome) {
      if (outcome.kind === 'bytes') worked(outcome.bytes, outcome.ms)
      else if (outcome.kind === 'answer') answered()
      else failed(outcome.fault, outcome.wasQuestion ? 'questions' : 'bodies')
    },
  }
}

/** Not to have something is no sickness of a mirror; nor is our own disk or a reader who left. */
function isItsFault(fault: Fault): boolean {
  return isFault(
    fault,
    'upstream-unreachable',
    'upstream-timeout',
    'upstream-status',
    'upstream-limited',
    'upstream-refused',
    'upstream-invalid',
    'outbound-blocked',
    'source-cut',
    'source-changed',
    'corrupt',
  )
}
