import type { Inspection, SifFacts } from '../../catalog/catalog.ts'
import { type Command, exitCodes } from '../command.ts'
import { withKeeping } from '../keeping.ts'
import { jsonOption } from '../options.ts'
import { printFacts, printJson, printSize, printTable, printTime } from '../print.ts'
import { parseTarget } from '../reference.ts'
import { namesOf, readSettings } from '../settings.ts'

export const inspect: Command = {
  name: 'inspect',
  parameters: 'REF',
  options: jsonOption,
  summary: 'Tell all that is known of one image, file or blob, and ask nobody',
  more: 'Of a SIF file, this is also what the file says of itself; nobody has checked the signatures in it.',
  async run(given, surroundings) {
    const config = readSettings(given, surroundings)
    const target = parseTarget(given.words[0]!, namesOf(config))
    const found = await withKeeping(config, surroundings, (catalog) => catalog.inspect(target))
    surroundings.stdout.write(given.options.json ? printJson(found) : describe(found))
    return exitCodes.done
  },
}

function describe(found: Inspection): string {
  const facts = printFacts([
    ['Digest', found.digest],
    ...found.aliases.filter((alias) => alias !== found.digest).map((alias) => ['Also', alias] as const),
    ['Type', found.mediaType],
    ['Size', `${printSize(found.size)} (${found.size} bytes)`],
    ['Path', found.path ?? 'not here'],
    ...found.names.map((name) => ['Name', name] as const),
    ...found.freshness.map(
      ({ kind, name, state, checkedAt }) =>
        [labels[kind], `${name} is ${states[state]}, last confirmed ${printTime(checkedAt)}`] as const,
    ),
    ...found.freshness.flatMap(({ digestFrom }) =>
      digestFrom === undefined ? [] : [['Checked', `with ${digestFrom}`] as const],
    ),
    ['Vouched', vouched[found.vouched]],
    ['Since', printTime(found.createdAt)],
    ['Last used', printTime(found.lastUsed)],
  ])
  const tables = [
    ...(found.sif ? [describeSif(found.sif)] : []),
    ...(found.parts.length > 0 ? [printTable(headings, found.parts.map(row))] : []),
  ]
  return [facts, ...tables].join('\n')
}

function describeSif({ arch, createdAt, isSigned, fingerprints, isEncrypted, partitions }: SifFacts): string {
  const signed = fingerprints.length > 0 ? `by ${fingerprints.join(', ')}, as it says` : 'by a key it does not name'
  const facts = printFacts([
    ['SIF', arch ?? 'of an unknown architecture'],
    ['Created', printTime(createdAt)],
    ['Signed', isSigned ? signed : 'no'],
    ['Encrypted', isEncrypted ? 'yes' : undefined],
  ])
  const rows = partitions.map(({ id, role, fileSystem, arch, size }) => [
    String(id),
    role ?? '-',
    fileSystem ?? '-',
    arch ?? '-',
    printSize(size),
  ])
  return facts + (rows.length > 0 ? printTable(partitionHeadings, rows) : '')
}

const labels = { tag: 'Tag', image: 'Image', file: 'File' } as const

const vouched: Readonly<Record<Inspection['vouched'], string | undefined>> = {
  strongly: undefined,
  weakly: 'by an md5 alone, which can be forged',
  not: 'by nobody: no digest of it is told where it came from',
}

const partitionHeadings = ['>PARTITION', 'ROLE', 'TYPE', 'ARCH', '>SIZE'] as const

const states: Readonly<Record<Inspection['freshness'][number]['state'], string>> = {
  fresh: 'fresh',
  stale: 'due to be confirmed',
  gone: 'too old to be served without asking',
}

const headings = ['HELD', 'PART', 'PLATFORM', '>SIZE', 'TYPE'] as const

function row(part: Inspection['parts'][number]): readonly string[] {
  return [part.isHeld ? 'yes' : 'no', part.digest, part.platform ?? '-', printSize(part.size), part.mediaType]
}
