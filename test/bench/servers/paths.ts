/** One repository, under the same paths on the upstream and on every server of the bench. */
export const repository = 'bench/image'

export const blobPath = (digest: string): string => `/v2/${repository}/blobs/${digest}`
export const manifestPath = (digest: string): string => `/v2/${repository}/manifests/${digest}`
export const imageMetalinkPath = (upstream: string, tag: string): string => `/metalink/${upstream}/${repository}:${tag}.meta4`

const libraryImage = 'bench/images/sif'

export const libraryReference = (tag: string): string => `library://${libraryImage}:${tag}`
export const libraryImagePath = (tag: string): string => `/v1/images/${libraryImage}:${tag}`
export const libraryFilePath = (tag: string): string => `/v1/imagefile/${libraryImage}:${tag}`
