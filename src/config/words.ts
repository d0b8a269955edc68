import { isIP } from 'node:net'
import { z } from 'zod'
import { parseDuration, parsePortion, parseSize } from './units.ts'

/** A span of time, written like 90s, 10m, 6h, 30d; in ms. */
export const duration = (fallback: string, meaning: string) =>
  z
    .string()
    .refine((text) => parseDuration(text) !== undefined, 'expected a duration such as 90s, 10m, 6h or 30d')
    .default(fallback)
    .describe(`${meaning} (duration)`)
    .transform((text) => parseDuration(text)!)

/** A number of bytes, written like 64KiB, 500GB. */
export const size = (fallback: string, meaning: string) =>
  z
    .string()
    .refine((text) => parseSize(text) !== undefined, 'expected a size such as 64KiB or 500GB')
    .default(fallback)
    .describe(`${meaning} (size)`)
    .transform((text) => parseSize(text)!)

/** A share of what is there, written like 10%, or a number of them. */
export const portion = (fallback: string, meaning: string) =>
  z
    .union([z.string(), z.number()], { error: 'expected a share such as 10%, or a number' })
    .refine((given) => parsePortion(given) !== undefined, 'expected a share such as 10%, or a number')
    .default(fallback)
    .describe(`${meaning} (share or number)`)
    .transform((given) => parsePortion(given)!)

export const count = (fallback: number, least: number, most: number, meaning: string) =>
  z.number().int().min(least).max(most).default(fallback).describe(meaning)

export const httpUrl = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'expected an http or https URL')

export const registryUrl = httpUrl.refine((text) => {
  const { username, password, search, hash } = URL.parse(text) ?? {}
  return !(username || password || search || hash)
}, 'expected a URL without user, password, "?" or "#"; who we are to the upstream is said by "credentials"')

export const hostName = z
  .string()
  .regex(
    /^(?=.{1,255}$)[a-z0-9]([a-z0-9._-]*[a-z0-9])?(:\d{1,5})?$/,
    'expected a host name in lower case, with a port if it has one',
  )

export const secret = z
  .union([z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) })], {
    error: 'expected { file: PATH } or { env: NAME }; a secret itself is never written here',
  })
  .describe('A secret, by where it is read from')

/** A number of bytes that need not be said. */
export const optionalSize = (meaning: string) =>
  z
    .string()
    .refine((text) => (parseSize(text) ?? 0) > 0, 'expected a size such as 10MB')
    .optional()
    .describe(`${meaning} (size)`)
    .transform((text) => (text === undefined ? undefined : parseSize(text)!))

export const optionalCount = (meaning: string) => z.number().int().min(1).max(1_000_000).optional().describe(meaning)

export const network = z
  .string()
  .refine((text) => isIP(text) !== 0 || isCidr(text), 'expected an address or a network such as 10.1.2.0/24')

export const country = z
  .string()
  .regex(/^[a-z]{2}$/, 'expected a country as two lower case letters, such as de')
  .describe('ISO 3166-1 alpha-2')

export function isCidr(text: string): boolean {
  const [address = '', prefix = '', ...rest] = text.split('/')
  const bits = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : -1
  return rest.length === 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits
}
