import { z } from 'zod'

const tls = z
  .strictObject({
    certificate: z.string().min(1).describe('PEM file: the certificate, and after it those between it and its authority'),
    key: z.string().min(1).describe('PEM file: its private key, without a passphrase'),
    clientCa: z.string().min(1).optional().describe('PEM file: authorities whose client certificates are believed'),
    clientCertificate: z
      .enum(['optional', 'required'])
      .optional()
      .describe('Whether clients must show one by such an authority; required where clientCa is said'),
    http2: z.boolean().default(true).describe('Clients may speak HTTP/2 too'),
  })
  .describe('Speaks TLS; without it, plain HTTP')

export const listener = z.strictObject({
  host: z.string().min(1).default('127.0.0.1').describe('Address or name to listen on; "0.0.0.0" or "::" for all'),
  port: z.number().int().min(0).max(65_535).default(8080).describe('TCP port; 0 takes a free one'),
  tls: tls.optional(),
  redirect: z
    .boolean()
    .default(false)
    .describe('Plain HTTP only: sends clients to the https publicUrl, but for those of shub, and for health and metrics'),
})
