import { printVersion } from '../../formats/library-service.ts'
import { printRemoteConfig, printTokenStatus } from '../../formats/remote-endpoint.ts'
import { Fault } from '../../model/fault.ts'
import type { UpstreamId } from '../../model/reference.ts'
import type { Exchange } from '../exchange.ts'
import type { OwnUrl } from '../own-url.ts'
import { answerJson, answerShortly } from '../short-answer.ts'

export interface RemoteEndpointDeps {
  readonly ownUrl: OwnUrl
  readonly version: string
  /** Nobody need say who it is. */
  readonly isOpen: boolean
}

// Tags are known by architecture. @see container-library-client client/version.go
const apiVersion = '2.0.0-alpha.2'
const tokenPages = {
  open: 'This proxy needs no tokens. Whoever reaches it may pull; leave the token empty, or type anything.\n',
  closed: 'Tokens for this proxy are issued by those who run it: forebay tokens issue NAME\n',
}

/** What `apptainer remote` asks of an endpoint. @see apptainer internal/pkg/remote/endpoint/service.go */
export function createRemoteEndpoint({ ownUrl, version, isOpen }: RemoteEndpointDeps) {
  return {
    version: (exchange: Exchange) => answerJson(exchange, printVersion({ version: `v${version}`, apiVersion })),

    /** @throws Fault 'not-found' where the settings do not say how clients reach us */
    services(exchange: Exchange, upstream: UpstreamId | undefined): void {
      const own = ownUrl(exchange.incoming.headers.host)
      if (own === undefined)
        throw new Fault('not-found', { what: 'the remote endpoint of a proxy whose settings have no publicUrl' })
      const library = upstream === undefined ? own : `${own}/library/${upstream}`
      answerJson(exchange, printRemoteConfig({ library, keyserver: own, tokens: `${own}/auth` }))
    },

    /** Where anybody may read, any token is good. @throws Fault 'not-found' where there is none: what clients call invalid */
    tokenStatus(exchange: Exchange): void {
      const { authorization = '' } = exchange.incoming.headers
      if (!/^bearer +\S/i.test(authorization) || (!isOpen && exchange.principal.kind === 'anonymous' && !exchange.credentials))
        throw new Fault('not-found', { what: 'a token' })
      answerJson(exchange, printTokenStatus())
    },

    tokenPage: (exchange: Exchange) =>
      answerShortly(exchange, { body: isOpen ? tokenPages.open : tokenPages.closed, mediaType: 'text/plain; charset=utf-8' }),
  }
}
