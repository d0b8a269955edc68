/** What goes into one file of a client; without a file, what its user should know. */
export interface Part {
  readonly file?: string
  readonly about: readonly string[]
  readonly lines: readonly string[]
}

/** Each part begins with the name of its file; in all formats but JSON `#` begins a comment. */
export function printParts(parts: readonly Part[]): string {
  return parts
    .map(({ file, about, lines }) => {
      const comments = [...(file === undefined ? [] : [file]), ...about].map((line) => `# ${line}`.trimEnd())
      return `${[...comments, ...lines].join('\n')}\n`
    })
    .join('\n')
}
