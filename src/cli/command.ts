import type { Writable } from 'node:stream'
import type { Tokens } from '../access/access.ts'
import type { Keeping } from '../catalog/catalog.ts'
import type { Config } from '../config/config.ts'

/** What a process tells the shell. */
export const exitCodes = { done: 0, failed: 1, usage: 2, notFound: 3, unverified: 4 } as const
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export interface Option {
  readonly short?: string
  readonly value?: string // what stands behind it in the help; without, it is a switch
  readonly help: string
}

/** One row of the table of commands. */
export interface Command {
  readonly name: string // one or two words
  readonly parameters: string // as in the help: `REF`, `[PATTERN]`
  readonly options?: Readonly<Record<string, Option>>
  readonly summary: string // one line
  readonly more?: string // what one line cannot say
  readonly run: (given: Given, surroundings: Surroundings) => Promise<number>
}

export interface Given {
  readonly words: readonly string[] // as many as the parameters allow
  readonly options: Readonly<Record<string, string | boolean | undefined>>
}

/** What main hands in: everything a command may touch that is not in this folder. */
export interface Surroundings {
  readonly version: string
  readonly env: NodeJS.ProcessEnv
  readonly stdout: Writable
  readonly stderr: Writable
  /** The settings file that came with the program. Its relative paths mean the working directory. */
  readonly defaultConfig: string
  /** Aborts when somebody presses Ctrl-C. From the first call on that no longer ends the process by itself. */
  interruption(): AbortSignal
  /** Where a server with these settings listens for commands. */
  commandSocket(config: Config): string
  /** The store itself, for as long as no server has it. @throws Fault 'store-locked' */
  openStore(config: Config): Promise<OpenStore>
  /** The tokens in the store, whether a server has it or not. */
  tokens(config: Config): Promise<Tokens>
  /**
   * Runs the proxy until it is told to stop; the exit code. `reread` throws as reading the settings did. `workers`: processes that
   * speak to clients, besides this one; 0: it does it all.
   */
  serve(config: Config, reread: () => Config, workers: number): Promise<number>
}

export interface OpenStore {
  readonly catalog: Keeping
  close(): Promise<void>
}
