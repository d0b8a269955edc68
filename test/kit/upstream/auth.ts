import { randomBytes } from 'node:crypto'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Answer, errorAnswer } from './answer.ts'

export type AuthOptions =
  | { readonly kind: 'basic'; readonly users: Users; readonly realm?: string }
  | ({ readonly kind: 'bearer' } & BearerOptions)

/** Passwords by user. */
export type Users = Readonly<Record<string, string>>

export interface BearerOptions {
  readonly users?: Users
  readonly anonymous?: boolean // true unless said: tokens without credentials
  /** Repositories that only known users may read. */
  readonly isPrivate?: (repository: string) => boolean
  /** Who may read it now; a token is for what its user may read when it is given out. Everybody may everything unless said. */
  readonly mayPull?: (user: string | undefined, repository: string) => boolean
  readonly service?: string | undefined // undefined given: none is named
  readonly scope?: string // the challenge's scope; unless said `repository:<name>:pull`
  readonly expiresIn?: number | 'unsaid' // seconds
  readonly methods?: readonly ('GET' | 'POST')[] // of the realm; others get 405
  readonly field?: 'token' | 'access_token'
  readonly identityTokens?: Users // refresh token -> user
  readonly realm?: string // instead of this upstream's own /token
}

export interface Gatekeeper {
  /** The refusal, or undefined where the request may pass. */
  check(request: IncomingMessage, repository: string | undefined): Answer | undefined
  /** The realm: what it answers to `GET` and `POST /token`. */
  token(request: IncomingMessage, query: URLSearchParams, body: string): Answer
  /** Every token given out so far is worth nothing from now on. */
  expireTokens(): void
  readonly issued: readonly Issued[]
}

export interface Issued {
  readonly token: string
  readonly user: string | undefined
  readonly scope: string
  readonly expiresAt: number // epoch ms
  isRevoked: boolean
}

export function createGatekeeper(options: AuthOptions | undefined, own: () => string): Gatekeeper {
  const issued: Issued[] = []

  function bearerChallenge(bearer: BearerOptions, repository: string | undefined, error?: string): string {
    const service = 'service' in bearer ? bearer.service : 'fake-registry'
    const scope = bearer.scope ?? (repository === undefined ? undefined : `repository:${repository}:pull`)
    const fields = { realm: bearer.realm ?? `${own()}/token`, service, scope, error }
    const printed = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [`${name}="${value}"`]))
    return `Bearer ${printed.join(',')}`
  }

  function refuse(challenge: string): Answer {
    return errorAnswer(401, 'UNAUTHORIZED', { 'www-authenticate': challenge })
  }

  function checkBearer(bearer: BearerOptions, headers: IncomingHttpHeaders, repository: string | undefined): Answer | undefined {
    const given = /^bearer (.+)$/i.exec(headers.authorization ?? '')?.[1]
    const token = issued.find((one) => one.token === given)
    if (!token) return refuse(bearerChallenge(bearer, repository, given && 'invalid_token'))
    if (token.isRevoked || token.expiresAt <= Date.now()) return refuse(bearerChallenge(bearer, repository, 'invalid_token'))
    if (repository === undefined) return undefined
    if (!token.scope.split(' ').includes(`repository:${repository}:pull`))
      return refuse(bearerChallenge(bearer, repository, 'insufficient_scope'))
    if (bearer.isPrivate?.(repository) && token.user === undefined) return errorAnswer(403, 'DENIED')
    return undefined
  }

  function userOf(bearer: BearerOptions, request: IncomingMessage, form: URLSearchParams): string | undefined | 'wrong' {
    const grant = form.get('grant_type')
    if (grant === 'refresh_token') return bearer.identityTokens?.[form.get('refresh_token') ?? ''] ?? 'wrong'
    if (grant === 'password') return known(bearer.users, form.get('username'), form.get('password'))
    const basic = readBasic(request.headers)
    return basic ? known(bearer.users, basic.user, basic.password) : undefined
  }

  function token(bearer: BearerOptions, request: IncomingMessage, query: URLSearchParams, body: string): Answer {
    const isPost = request.method === 'POST'
    if (!(bearer.methods ?? ['GET']).includes(isPost ? 'POST' : 'GET')) return errorAnswer(405, 'UNSUPPORTED')
    const form = new URLSearchParams(isPost ? body : query)
    const user = userOf(bearer, request, form)
    if (user === 'wrong') return refuse('Basic realm="token"')
    if (user === undefined && bearer.anonymous === false) return refuse('Basic realm="token"')
    const seconds = bearer.expiresIn ?? 300
    const lifeMs = (seconds === 'unsaid' ? 60 : seconds) * 1000
    const mayPull = (scope: string) => bearer.mayPull?.(user, /^repository:(.+):pull$/.exec(scope)?.[1] ?? '') ?? true
    const scopes = form.getAll('scope').flatMap((scope) => scope.split(' '))
    const one: Issued = {
      token: randomBytes(24).toString('base64url'),
      user,
      scope: scopes.filter(mayPull).join(' '),
      expiresAt: Date.now() + lifeMs,
      isRevoked: false,
    }
    issued.push(one)
    const document = { [bearer.field ?? 'token']: one.token, ...(seconds !== 'unsaid' && { expires_in: seconds }) }
    return { status: 200, headers: { 'content-type': 'application/json' }, bytes: Buffer.from(JSON.stringify(document)) }
  }

  return {
    issued,
    expireTokens() {
      for (const one of issued) one.isRevoked = true
    },
    check(request, repository) {
      if (!options) return undefined
      if (options.kind === 'bearer') return checkBearer(options, request.headers, repository)
      const basic = readBasic(request.headers)
      const user = basic && known(options.users, basic.user, basic.password)
      return user === undefined || user === 'wrong' ? refuse(`Basic realm="${options.realm ?? 'fake registry'}"`) : undefined
    },
    token(request, query, body) {
      return options?.kind === 'bearer' ? token(options, request, query, body) : errorAnswer(404, 'UNSUPPORTED')
    },
  }
}

function known(users: Users | undefined, user: string | null, password: string | null): string | 'wrong' {
  return user !== null && users && Object.hasOwn(users, user) && users[user] === password ? user : 'wrong'
}

function readBasic(headers: IncomingHttpHeaders): { user: string; password: string } | undefined {
  const encoded = /^basic (.+)$/i.exec(headers.authorization ?? '')?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}
