/** One repository, under the same paths on the upstream and on every server of the bench. */
export const repository = 'bench/image'

export const blobPath = (digest: string): string => `/v2/${repository}/blobs/${digest}`
export const manifestPath = (digest: string): string => `/v2/${repository}/manifests/${digest}`
