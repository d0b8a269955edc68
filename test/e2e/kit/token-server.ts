import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto'
import { copyFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { caFile, serverCertificate } from '../../kit/tls.ts'
import type { WorkDir } from './work-dir.ts'

/** Who may log in, and which repositories each may read. Nobody is anybody. */
export interface TokenUser {
  readonly password: string
  readonly repositories: readonly string[]
}

/** The token service of a registry, as that is told of it in its settings. */
export interface TokenServer extends AsyncDisposable {
  readonly host: string // with port
  readonly settings: {
    readonly realm: string
    readonly service: string
    readonly issuer: string
    readonly rootcertbundle: string
  }
  /** Everything that was asked of it: path with query, and by whom. */
  readonly asked: readonly { readonly url: string; readonly user: string | undefined }[]
}

const [service, issuer] = ['lab registry', 'lab tokens']
const tokensForS = 60

/** Signs what it grants, and grants only what its users may read. @see distribution "Token Authentication Specification" */
export async function startTokenServer(work: WorkDir, users: Readonly<Record<string, TokenUser>>): Promise<TokenServer> {
  const { key, cert } = serverCertificate()
  const privateKey = createPrivateKey(key)
  const isRsa = privateKey.asymmetricKeyType === 'rsa'
  const header = { typ: 'JWT', alg: isRsa ? 'RS256' : 'ES256', x5c: [new X509Certificate(cert).raw.toString('base64')] }
  const asked: { url: string; user: string | undefined }[] = []

  function tokenFor(user: string, scopes: readonly string[]): string {
    const may = (name: string) => users[user]?.repositories.includes(name) ?? false
    const access = scopes.flatMap((scope) => {
      const [, name] = /^repository:(.+):pull$/.exec(scope) ?? []
      return name !== undefined && may(name) ? [{ type: 'repository', name, actions: ['pull'] }] : []
    })
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: issuer,
      sub: user,
      aud: service,
      iat: now,
      nbf: now - 10,
      exp: now + tokensForS,
      jti: randomUUID(),
      access,
    }
    const text = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    const signature = sign('sha256', Buffer.from(text), { key: privateKey, ...(!isRsa && { dsaEncoding: 'ieee-p1363' }) })
    return `${text}.${signature.toString('base64url')}`
  }

  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '/', 'http://localhost')
    const [, encoded = ''] = /^basic (.+)$/i.exec(request.headers.authorization ?? '') ?? []
    const [name = '', password] = Buffer.from(encoded, 'base64').toString().split(':')
    asked.push({ url: request.url ?? '', user: name || undefined })
    const isKnown = users[name]?.password === password
    if (encoded !== '' && !isKnown) return void response.writeHead(401).end()
    const token = tokenFor(name, searchParams.getAll('scope').join(' ').split(' '))
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token, expires_in: tokensForS }))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const rootcertbundle = work.file('tokens-ca.pem')
  await copyFile(caFile, rootcertbundle)
  return {
    host,
    settings: { realm: `http://${host}/token`, service, issuer, rootcertbundle },
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}
