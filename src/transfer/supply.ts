import type { Artifact } from '../model/artifact.ts'
import type { Uses } from '../system/uses.ts'
import type { FillDeps } from './fill.ts'

/** What settings say of how bytes come in. */
export interface Supply extends Pick<FillDeps, 'read' | 'isHeldBack' | 'discover' | 'approve' | 'wrong' | 'lingerMs'> {
  /** May bytes be passed on that were never whole on disk? */
  readonly mayPass: (artifact: Artifact) => boolean
  /** What is under way uses it. */
  readonly uses?: Pick<Uses, 'enter' | 'leave'>
}
