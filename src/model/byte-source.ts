/** Memory, disk and a running fill are all read this one way. */
export interface ByteSource extends AsyncDisposable {
  /** Bytes; undefined only while a fill has not learnt it. */
  readonly size: number | undefined
  /**
   * Fills `into` from `position`, waiting for bytes that are not there yet; 0 at the end. Short reads are allowed.
   * Settles only when `into` is no longer written to, aborted or not, so that the caller may hand the buffer on.
   *
   * @throws Fault of the fill, or the signal's reason
   */
  read(into: Uint8Array, position: number, signal: AbortSignal): Promise<number>
  /**
   * The same bytes as `read` would give, where they lie in memory that several readers share; undefined when they must be
   * read. Waits as `read` does. For sources that may have many readers at one place.
   */
  borrow?(position: number, most: number, signal: AbortSignal): Promise<Lent | undefined>
  /**
   * Where the same bytes can be read by another process; undefined when they must be read here. Waits as `read` does. A file
   * may have another name, or none, by the time it is looked for.
   */
  locate?(position: number, most: number, signal: AbortSignal): Promise<Located | undefined>
  /** Says which bytes will be read next (half-open). Only a running fill has use for it. */
  aim?(start: number, end: number): void
}

/** Bytes that belong to somebody else: to be read only, and given back once. */
export interface Lent {
  readonly bytes: Uint8Array
  release(): void
}

/** Bytes of a file that lie as far from its beginning as they do in the source. */
export interface Located {
  readonly path: string
  readonly count: number // bytes; 0 at the end
}

/** Bytes already in memory. */
export function memorySource(bytes: Uint8Array): ByteSource & { readonly bytes: Uint8Array } {
  return {
    bytes,
    size: bytes.length,
    async read(into, position) {
      const part = bytes.subarray(position, position + into.length)
      into.set(part)
      return part.length
    },
    async [Symbol.asyncDispose]() {},
  }
}
