/** First parts of paths that are a library's where no upstream is named. */
export const libraryDoors = ['library', 'v1', 'version', 'assets', 'auth', 'pks'] as const
