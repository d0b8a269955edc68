import { z } from 'zod'
import { hostName, network } from './words.ts'

const userName = z
  .string()
  .regex(/^[^:\s]{1,255}$/, 'expected the name of a user')
  .refine((text) => text !== '*' && text !== 'anonymous', 'expected the name of a user; "*" and "anonymous" mean others')

const rule = z.strictObject({
  upstream: z
    .union([hostName, z.literal('*')], { error: 'expected the name of an upstream, or "*"' })
    .optional()
    .describe('An upstream by its name; any, if not said'),
  repositories: z
    .array(z.string().min(1).max(500))
    .min(1)
    .optional()
    .describe('Repositories, images or paths below it; "*" stands for anything. Any, if not said'),
  users: z
    .array(z.string().regex(/^[^:\s]{1,255}$/, 'expected the name of a user, "*" or "anonymous"'))
    .min(1)
    .optional()
    .describe('Names; "*" is whoever gives one, "anonymous" who gives none. Everybody, if not said'),
  allow: z.enum(['pull', 'none']).describe('Whether they may read it'),
})

export const access = z.strictObject({
  anonymous: z
    .enum(['pull', 'none'])
    .default('pull')
    .describe('What clients that give no name may do where no rule says: read everything, or nothing'),
  users: z
    .strictObject({ file: z.string().min(1).describe('As `htpasswd -B` writes it; read again when it changes') })
    .optional()
    .describe('Names and bcrypt hashes of passwords'),
  networks: z.array(network).default([]).describe('Addresses and networks that may connect at all; any, if none is said'),
  admins: z.array(userName).default([]).describe('Users that may read /metrics where not everybody may read everything'),
  rules: z.array(rule).max(1000).default([]).describe('Who may read what; the first that is about it decides'),
})
