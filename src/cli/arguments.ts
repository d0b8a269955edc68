import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import type { Command, Given, Option } from './command.ts'
import { commonOptions } from './options.ts'

/** What a command line means. */
export type Wish =
  | { readonly kind: 'run'; readonly command: Command; readonly given: Given }
  | { readonly kind: 'help'; readonly command: Command | undefined }
  | { readonly kind: 'version' }
  | { readonly kind: 'mistake'; readonly why: string; readonly command: Command | undefined }

type Options = Readonly<Record<string, Option>>

/** Reads the words behind `forebay`. Options may stand anywhere; what follows `--` is no option. */
export function parseArguments(argv: readonly string[], commands: readonly Command[]): Wish {
  const known: Options = Object.assign({}, ...commands.map(({ options }) => options), commonOptions)
  const read = readWords(argv, { ...known, version: { help: '' } })
  if (typeof read === 'string') return { kind: 'mistake', why: read, command: commandOf(argv, commands)?.command }

  const { help, version, ...options } = read.options
  if (version) return { kind: 'version' }
  const isAsking = help === true || read.words[0] === 'help'
  const words = read.words[0] === 'help' ? read.words.slice(1) : read.words
  const found = commandOf(words, commands)
  if (!found && words.length > 0) return { kind: 'mistake', why: unknown(words[0]!, words[1], commands), command: undefined }
  if (isAsking) return { kind: 'help', command: found?.command }
  if (!found) return { kind: 'mistake', why: 'say what to do', command: undefined }
  return check(found.command, { words: found.rest, options })
}

function readWords(argv: readonly string[], known: Options): Given | string {
  const options: ParseArgsOptionsConfig = {}
  for (const [name, { short, value }] of Object.entries(known))
    options[name] = { type: value === undefined ? 'boolean' : 'string', ...(short && { short }) }
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options, allowPositionals: true, strict: true })
    return { words: positionals, options: values as Given['options'] }
  } catch (error) {
    if (!(error as NodeJS.ErrnoException).code?.startsWith('ERR_PARSE_ARGS_')) throw error
    return (error as Error).message.split(/\. |\n/)[0]!
  }
}

function commandOf(
  words: readonly string[],
  commands: readonly Command[],
): { readonly command: Command; readonly rest: readonly string[] } | undefined {
  for (const length of [2, 1]) {
    const name = words.slice(0, length).join(' ')
    const command = commands.find((one) => one.name === name)
    if (command) return { command, rest: words.slice(length) }
  }
  return undefined
}

function unknown(first: string, second: string | undefined, commands: readonly Command[]): string {
  const longer = commands.filter(({ name }) => name.startsWith(`${first} `))
  if (longer.length > 0 && second === undefined) return `"${first}" needs one of ${list(longer)} behind it`
  return `there is no command "${longer.length > 0 ? `${first} ${second}` : first}"; there are ${list(commands)}`
}

function list(commands: readonly Command[]): string {
  return commands.map(({ name }) => name).join(', ')
}

function check(command: Command, given: Given): Wish {
  const mistake = (why: string): Wish => ({ kind: 'mistake', why, command })
  const foreign = Object.keys(given.options).find((name) => !Object.hasOwn({ ...command.options, ...commonOptions }, name))
  if (foreign !== undefined) return mistake(`${command.name} has no option --${foreign}`)
  const parameters = command.parameters.split(' ').filter(Boolean)
  const missing = parameters[given.words.length]
  if (missing !== undefined && !missing.startsWith('[')) return mistake(`${command.name} needs ${missing}`)
  const extra = given.words[parameters.length]
  if (extra !== undefined) return mistake(`${command.name} cannot do anything with "${extra}"`)
  const empty = [...given.words, ...Object.values(given.options)].includes('')
  return empty ? mistake(`${command.name} was given an empty word`) : { kind: 'run', command, given }
}
