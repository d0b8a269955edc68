import { type OpenFile, openFile } from '../system/open-file.ts'

/** A file that somebody reads, together with others who read the same. */
export interface SharedFile {
  readonly file: OpenFile
  readonly isShared: () => boolean
  release(): void
}

/** Files of blobs, each open once however many read it. */
export interface Files {
  /** Undefined when there is none of that name. @throws Fault 'disk-failed' */
  open(path: string): Promise<SharedFile | undefined>
  /** What is open goes on for those who read it; whoever comes now opens anew. */
  forget(): void
}

interface Entry {
  readonly opening: Promise<OpenFile | undefined>
  users: number
}

/** `closing` is called before a file is closed. */
export function createFiles(closing: (file: OpenFile) => void): Files {
  const entries = new Map<string, Entry>()

  async function leave(path: string, entry: Entry): Promise<void> {
    if (--entry.users > 0) return
    if (entries.get(path) === entry) entries.delete(path)
    const file = await entry.opening.catch(() => undefined)
    if (!file) return
    closing(file)
    await file.close()
  }

  return {
    async open(path) {
      const entry = entries.get(path) ?? { opening: openFile(path, 'read'), users: 0 }
      entries.set(path, entry)
      entry.users++
      let file: OpenFile | undefined
      try {
        file = await entry.opening
      } finally {
        if (!file) await leave(path, entry)
      }
      return file && { file, isShared: () => entry.users > 1, release: () => void leave(path, entry) }
    },
    forget: () => entries.clear(),
  }
}
