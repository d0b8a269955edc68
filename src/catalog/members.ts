import type { MemberFacts } from '../model/facts.ts'
import type { Table } from '../model/table.ts'

const urlsKept = 16

/** Adds to what is known: the places that one manifest names for a blob are not lost by another that names none. */
export async function putMembers(
  table: Pick<Table<MemberFacts>, 'get' | 'putMany'>,
  members: readonly (readonly [key: string, facts: MemberFacts])[],
): Promise<void> {
  const merged = members.map(async ([key, facts]) => [key, withUrls(facts, await table.get(key))] as const)
  await table.putMany(await Promise.all(merged))
}

/** What a manifest says of one that it names. */
export function memberFactsOf({
  size,
  mediaType,
  urls,
}: {
  size: number
  mediaType: string
  urls: readonly string[]
}): MemberFacts {
  return { size, mediaType, ...(urls.length > 0 ? { urls } : {}) }
}

function withUrls(facts: MemberFacts, known: MemberFacts | undefined): MemberFacts {
  const urls = [...new Set([...(facts.urls ?? []), ...(known?.urls ?? [])])].slice(0, urlsKept)
  return urls.length > 0 ? { ...facts, urls } : facts
}
