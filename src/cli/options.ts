import type { Option } from './command.ts'

type Options = Readonly<Record<string, Option>>

/** Options that every command has. */
export const commonOptions = {
  config: { value: 'FILE', help: 'Settings; else those of FOREBAY_CONFIG, else those that came along' },
  help: { short: 'h', help: 'Explain this command' },
} as const satisfies Options

export const jsonOption = { json: { help: 'Print JSON' } } as const satisfies Options
