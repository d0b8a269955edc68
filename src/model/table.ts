/** A small key-value table of JSON-shaped facts. Values are shared, not copied: nobody changes one. */
export interface Table<Value> {
  get(key: string): Promise<Value | undefined>
  put(key: string, value: Value): Promise<void>
  /** All of them in one go, which costs little more than one. */
  putMany(entries: Iterable<readonly [key: string, value: Value]>): Promise<void>
  delete(key: string): Promise<boolean>
  /** Every entry, in no promised order; entries changed meanwhile may appear either way. */
  entries(prefix?: string): AsyncIterable<readonly [key: string, value: Value]>
  clear(): Promise<void>
}
