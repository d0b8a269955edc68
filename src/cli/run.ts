import { toFault } from '../model/fault.ts'
import { redactText } from '../system/redact.ts'
import { parseArguments } from './arguments.ts'
import { type Command, exitCodes, type Surroundings } from './command.ts'
import { exitCodeOf, printFault } from './faults.ts'
import { printCommandHelp, printHelp } from './help.ts'

/** Does what the words behind `forebay` say. Never rejects: what goes wrong is told on standard error and by the exit code. */
export async function runCommandLine(
  argv: readonly string[],
  commands: readonly Command[],
  surroundings: Surroundings,
): Promise<number> {
  const { stdout, stderr, version } = surroundings
  const wish = parseArguments(argv, commands)
  switch (wish.kind) {
    case 'version':
      stdout.write(`${version}\n`)
      return exitCodes.done
    case 'help':
      stdout.write(wish.command ? printCommandHelp(wish.command) : printHelp(commands, version))
      return exitCodes.done
    case 'mistake': {
      const name = wish.command ? ` ${wish.command.name}` : ''
      stderr.write(`forebay${name}: ${wish.why}.\nSee "forebay${name} --help".\n`)
      return exitCodes.usage
    }
    case 'run':
      return attempt(wish.command, wish.given, surroundings)
  }
}

async function attempt(command: Command, given: Parameters<Command['run']>[0], surroundings: Surroundings): Promise<number> {
  try {
    return await command.run(given, surroundings)
  } catch (error) {
    const fault = toFault(error, command.name)
    surroundings.stderr.write(redactText(printFault(fault, [command.name, ...given.words].join(' '))))
    return exitCodeOf(fault)
  }
}
