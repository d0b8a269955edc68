import { describe, expect, test } from 'vitest'
import { parseArguments } from '../../../src/cli/arguments.ts'
import { commands } from '../../../src/cli/commands.ts'
import { printCommandHelp, printHelp } from '../../../src/cli/help.ts'

function read(line: string) {
  const wish = parseArguments(line === '' ? [] : line.split(' '), commands)
  return wish.kind === 'run' ? { kind: wish.kind, command: wish.command.name, ...wish.given } : wish
}

describe('a line that can be done', () => {
  test.each([
    ['serve', 'serve', [], {}],
    ['serve --config site.yaml', 'serve', [], { config: 'site.yaml' }],
    ['--config=site.yaml images', 'images', [], { config: 'site.yaml' }],
    ['images --json docker.io/*', 'images', ['docker.io/*'], { json: true }],
    ['get -o out.sif oras://ghcr.io/a/b:1', 'get', ['oras://ghcr.io/a/b:1'], { output: 'out.sif' }],
    ['get x --output=-', 'get', ['x'], { output: '-' }],
    ['config check site.yaml', 'config check', ['site.yaml'], {}],
    ['config --json=x', undefined, [], {}],
    ['rm -- --odd', 'rm', ['--odd'], {}],
    ['verify', 'verify', [], {}],
  ])('%s', (line, command, words, options) => {
    if (command === undefined) expect(read(line)).toMatchObject({ kind: 'mistake' })
    else expect(read(line)).toEqual({ kind: 'run', command, words, options })
  })
})

describe('a line that cannot be done says why', () => {
  test.each([
    ['', 'say what to do'],
    ['pull', 'there is no command "pull"; there are serve, images'],
    ['config', '"config" needs one of config check, config schema behind it'],
    ['config nope', 'there is no command "config nope"'],
    ['inspect', 'inspect needs REF'],
    ['inspect a b', 'inspect cannot do anything with "b"'],
    ['serve site.yaml', 'serve cannot do anything with "site.yaml"'],
    ['images -o x', 'images has no option --output'],
    ['images --jsno', "Unknown option '--jsno'"],
    ['get x -o', "Option '-o, --output <value>' argument missing"],
    ['gc --json=yes', "Option '--json' does not take an argument"],
  ])('%s', (line, why) => expect(read(line)).toMatchObject({ kind: 'mistake', why: expect.stringContaining(why) }))

  test('an empty word is none', () => {
    expect(parseArguments(['inspect', ''], commands)).toMatchObject({ kind: 'mistake' })
    expect(parseArguments(['get', 'x', '-o', ''], commands)).toMatchObject({ kind: 'mistake' })
  })
})

describe('help', () => {
  test.each(['--help', '-h', 'help'])('%s is about everything', (line) =>
    expect(read(line)).toEqual({ kind: 'help', command: undefined }),
  )
  test.each(['get --help', 'get -h x', 'help get', '--help get', 'get -o x --help'])('%s is about get', (line) =>
    expect(read(line)).toMatchObject({ kind: 'help', command: { name: 'get' } }),
  )
  test('about what is not there is a mistake', () => expect(read('help pull')).toMatchObject({ kind: 'mistake' }))

  test('names every command once, each in one line of at most 130 characters', () => {
    const page = printHelp(commands, '1.2.3')
    expect(page).toContain('1.2.3')
    for (const { name } of commands) expect(page.match(new RegExp(`^  ${name}\\b`, 'gm')), name).toHaveLength(1)
    for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(130)
  })

  test.each(commands.map((command) => [command.name, command] as const))(
    'of %s names every option it takes',
    (_name, command) => {
      const page = printCommandHelp(command)
      for (const option of ['config', 'help', ...Object.keys(command.options ?? {})]) expect(page).toContain(`--${option}`)
      for (const line of page.split('\n')) expect(line.length).toBeLessThanOrEqual(130)
    },
  )
})

test('--version wins over everything', () => expect(read('images --version')).toEqual({ kind: 'version' }))
