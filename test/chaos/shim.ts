import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { relative, sep } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createDice, type Dice } from '../kit/dice.ts'
import { type Control, calm, names, type Told } from './control.ts'

// Loaded by `node --import` before the server, in each of its threads: what the server does with files of its store, and
// asks the clock, goes by here. What SQLite does does not.

const { [names.control]: controlFile, [names.told]: toldFile, [names.store]: store, [names.seed]: seed } = process.env
const rereadMs = 20
const real = { ...fs, promises: { ...fs.promises }, now: Date.now }

if (controlFile && toldFile && store && seed) install(controlFile, toldFile, store, seed)

function install(controlFile: string, toldFile: string, store: string, seed: string): void {
  const paths = new Map<number, string>() // of open files, below the store
  const counts = new Map<string, number>()
  let control = calm
  let readAt = Number.NEGATIVE_INFINITY

  function now(): Control {
    if (performance.now() - readAt < rereadMs) return control
    readAt = performance.now()
    control = JSON.parse(real.readFileSync(controlFile, 'utf8')) as Control
    return control
  }

  function tell(told: Told): void {
    real.appendFileSync(toldFile, `${JSON.stringify(told)}\n`)
  }

  /** Chance that depends on what is done to which file, for which time, and on nothing that others do meanwhile. */
  function diceFor(call: string, path: string): Dice {
    const key = `${call} ${path.replace(/\.[0-9a-f]{18}\.tmp$/, '.tmp')}`
    const nth = (counts.get(key) ?? 0) + 1
    counts.set(key, nth)
    return createDice(`${seed} ${key} ${nth}`)
  }

  interface Mishap {
    readonly waitMs: number
    readonly error: Error | undefined
    readonly share: number // of what was asked for
  }

  function mishap(call: string, path: string | undefined): Mishap | undefined {
    const { errors, short, slowMs } = now()
    if (path === undefined || (errors === 0 && short === 0 && slowMs === 0)) return undefined
    const dice = diceFor(call, path)
    const waitMs = slowMs > 0 ? dice.below(slowMs) : 0
    const isWrong = dice.chance(errors)
    const isShort = dice.chance(short) && (call === 'read' || call === 'write')
    if (isWrong) tell({ what: 'fault', kind: `disk: EIO of ${call}` })
    else if (isShort) tell({ what: 'fault', kind: `disk: short ${call}` })
    if (waitMs > 0) tell({ what: 'fault', kind: 'disk: slow call' })
    return { waitMs, error: isWrong ? failure(call, path) : undefined, share: isShort ? (1 + dice.below(99)) / 100 : 1 }
  }

  function below(path: unknown): string | undefined {
    const text = typeof path === 'string' ? relative(store, path) : '..'
    return text === '' || text.startsWith('..') ? undefined : text
  }

  /** The call with a callback at its end, with something before it. */
  function delayed(bad: Mishap | undefined, done: (error: Error) => void, go: () => void): void {
    if (bad) setTimeout(() => (bad.error ? done(bad.error) : go()), bad.waitMs)
    else go()
  }

  type Done = (error: Error | null, ...rest: unknown[]) => void
  type Call = (...args: never[]) => void

  function byNumber(call: string, original: Call, lessen?: (args: unknown[], share: number) => void): Call {
    return (...args: unknown[]) => {
      const bad = mishap(call, paths.get(args[0] as number))
      if (bad && bad.share < 1) lessen?.(args, bad.share)
      delayed(bad, args.at(-1) as Done, () => (original as (...args: unknown[]) => void)(...args))
    }
  }

  const patched = fs as unknown as Record<string, unknown>
  patched.read = byNumber('read', real.read as Call, (args, share) => {
    args[3] = Math.max(1, Math.floor((args[3] as number) * share))
  })
  patched.writev = byNumber('write', real.writev as Call, (args, share) => {
    args[1] = shortened(args[1] as readonly Uint8Array[], share)
  })
  for (const call of ['fsync', 'fdatasync', 'ftruncate'] as const) patched[call] = byNumber(call, real[call] as Call)
  patched.open = (path: string, ...rest: unknown[]) => {
    const done = rest.at(-1) as Done
    const noted: Done = (error, fd) => {
      const its = below(path)
      if (!error && its !== undefined) paths.set(fd as number, its)
      done(error, fd)
    }
    delayed(mishap('open', below(path)), done, () =>
      (real.open as (...args: unknown[]) => void)(path, ...rest.slice(0, -1), noted),
    )
  }
  patched.close = (fd: number, ...rest: never[]) => {
    paths.delete(fd)
    ;(real.close as (fd: number, ...rest: never[]) => void)(fd, ...rest)
  }
  patched.openSync = (path: string, ...rest: never[]) => {
    const its = below(path)
    const bad = mishap('open', its)
    if (bad?.error) throw bad.error
    const fd = (real.openSync as (path: string, ...rest: never[]) => number)(path, ...rest)
    if (its !== undefined) paths.set(fd, its)
    return fd
  }
  patched.readSync = (fd: number, into: Uint8Array, offset: number, length: number, position: number) => {
    const bad = mishap('read', paths.get(fd))
    if (bad?.error) throw bad.error
    return real.readSync(fd, into, offset, Math.max(1, Math.floor(length * (bad?.share ?? 1))), position)
  }
  patched.closeSync = (fd: number) => {
    paths.delete(fd)
    real.closeSync(fd)
  }

  async function before(call: string, path: unknown): Promise<void> {
    const bad = mishap(call, below(path))
    if (bad && bad.waitMs > 0) await sleep(bad.waitMs)
    if (bad?.error) throw bad.error
  }

  const promised = fs.promises as unknown as Record<string, unknown>
  for (const call of ['readFile', 'stat', 'mkdir', 'opendir', 'utimes'] as const) {
    const original = real.promises[call] as (...args: unknown[]) => Promise<unknown>
    promised[call] = async (...args: unknown[]) => {
      await before(call, args[0])
      return await original(...args)
    }
  }
  promised.open = async (path: string, ...rest: never[]) => {
    await before('open', path)
    const handle = await (real.promises.open as (...args: unknown[]) => Promise<fs.promises.FileHandle>)(path, ...rest)
    for (const call of ['sync', 'writeFile'] as const) {
      const original = handle[call].bind(handle) as (...args: unknown[]) => Promise<unknown>
      const failing = async (...args: unknown[]) => {
        await before(call, path)
        return await original(...args)
      }
      Object.assign(handle, { [call]: failing })
    }
    return handle
  }
  promised.unlink = async (path: string) => {
    const digest = digestAt(below(path))
    const stack = digest ? stackNow() : ''
    await before('unlink', path)
    if (digest) tell(stack.includes('evict') ? { what: 'evicted', digest } : { what: 'removed', digest, stack })
    await real.promises.unlink(path)
  }
  promised.rename = async (from: string, to: string) => {
    await before('rename', from)
    const leaving = digestAt(below(from))
    if (leaving) tell({ what: 'quarantined', digest: leaving })
    await real.promises.rename(from, to)
    const coming = digestAt(below(to))
    if (coming) tell({ what: 'committed', digest: coming })
  }
  Date.now = () => real.now() + now().clockBy
  syncBuiltinESMExports()
}

function failure(call: string, path: string): Error {
  return Object.assign(new Error(`EIO: i/o error, ${call} '${path}'`), { code: 'EIO', errno: -5, syscall: call })
}

/** Of a blob itself, not of what lies beside it. */
function digestAt(path: string | undefined): string | undefined {
  const [, hex] = /^blobs\/sha256\/[0-9a-f]{2}\/([0-9a-f]{64})$/.exec(path?.split(sep).join('/') ?? '') ?? []
  return hex && `sha256:${hex}`
}

function shortened(chunks: readonly Uint8Array[], share: number): readonly Uint8Array[] {
  const all = chunks.reduce((sum, { length }) => sum + length, 0)
  let left = Math.max(1, Math.floor(all * share))
  return chunks.flatMap((chunk) => {
    const part = chunk.subarray(0, left)
    left -= part.length
    return part.length > 0 ? [part] : []
  })
}

function stackNow(): string {
  const before = Error.stackTraceLimit
  Error.stackTraceLimit = 30
  const { stack = '' } = new Error()
  Error.stackTraceLimit = before
  return stack
}
