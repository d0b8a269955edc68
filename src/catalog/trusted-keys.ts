/** Whose signatures count for what comes from one upstream. */
export interface TrustedKeys {
  readonly rings: readonly string[] // as `OpenPgp` names them
  readonly fingerprints: ReadonlySet<string>
  readonly isRequired: boolean
}
