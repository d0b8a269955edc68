import type { Command, Option } from './command.ts'
import { commonOptions } from './options.ts'

/** The page of `forebay --help`. */
export function printHelp(commands: readonly Command[], version: string): string {
  const usages = commands.map((command) => [usage(command), command.summary] as const)
  return [
    `Forebay ${version}: a caching pull-through proxy for container registries\n`,
    'Usage: forebay COMMAND [OPTION…]\n',
    columns(usages),
    'REF is written as for the clients: docker://docker.io/library/alpine:3.20, oras://ghcr.io/org/image:tag, the same without',
    'docker:// or oras://, …@sha256:…, or a digest alone; library://entity/collection/name:tag, with ?arch=arm64 after it for',
    'another architecture than this one; shub://collection/name:tag; the URL of a file; or as "forebay images" prints it.\n',
    'For every command:',
    columns([...optionLines(commonOptions), ['    --version', 'Print the version']]),
    'Commands speak to the server that runs with the same settings; when none is running, they open the store themselves.',
    'Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 verification failed.\n',
  ].join('\n')
}

/** The page of `forebay COMMAND --help`. */
export function printCommandHelp(command: Command): string {
  return [
    `Usage: forebay ${usage(command)}\n`,
    `${command.summary}.${command.more ? `\n${command.more}` : ''}\n`,
    columns([...optionLines(command.options ?? {}), ...optionLines(commonOptions)]),
  ].join('\n')
}

function usage({ name, parameters, options = {} }: Command): string {
  const valued = Object.entries(options).flatMap(([long, { short, value }]) =>
    value ? `[${short ? `-${short}` : `--${long}`} ${value}]` : [],
  )
  return [name, parameters, ...valued].filter(Boolean).join(' ')
}

function optionLines(options: Readonly<Record<string, Option>>): (readonly [string, string])[] {
  return Object.entries(options).map(([name, { short, value, help }]) => {
    const long = value ? `--${name} ${value}` : `--${name}`
    return [`${short ? `-${short}, ` : '    '}${long}`, help] as const
  })
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join('')
}
