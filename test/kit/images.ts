import { dockerList, dockerManifest, ociIndex, ociManifest } from '../../src/model/media-type.ts'
import { blob, type Content, content, json } from './blobs.ts'

/** A manifest or index with everything it names, ready to be pushed. */
export interface Image {
  readonly manifest: Content
  readonly blobs: readonly Content[] // config first, then layers
  readonly children: readonly Image[] // of an index
  readonly subject?: string // digest of what it refers to
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

export interface ImageOptions {
  readonly seed?: string
  readonly layers?: readonly number[] // bytes of each
  readonly style?: 'oci' | 'docker'
  readonly platform?: Platform
  readonly subject?: Image
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

const types = {
  oci: {
    manifest: ociManifest,
    index: ociIndex,
    config: 'application/vnd.oci.image.config.v1+json',
    layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
  },
  docker: {
    manifest: dockerManifest,
    index: dockerList,
    config: 'application/vnd.docker.container.image.v1+json',
    layer: 'application/vnd.docker.image.rootfs.diff.tar.gzip',
  },
} as const

export const sifLayer = 'application/vnd.sylabs.sif.layer.v1.sif'
export const sifConfig = 'application/vnd.sylabs.sif.config.v1+json'

/** An image of one platform: a config and layers of the given sizes, all from the seed. */
export function image(options: ImageOptions = {}): Image {
  const { seed = 'image', layers = [2048], style = 'oci', platform = { os: 'linux', architecture: 'amd64' } } = options
  const type = types[style]
  const parts = layers.map((size, at) => blob(size, `${seed}/layer/${at}`, type.layer))
  const config = json(
    { ...platform, config: { Labels: { seed } }, rootfs: { type: 'layers', diff_ids: parts.map(({ digest }) => digest) } },
    type.config,
  )
  return manifestOf(type.manifest, config, parts, options)
}

/** An index of one image per platform, or of whatever is given, indexes included. */
export function index(children: readonly Image[], options: Pick<ImageOptions, 'style' | 'subject' | 'annotations'> = {}): Image {
  const manifest = json(
    {
      schemaVersion: 2,
      mediaType: types[options.style ?? 'oci'].index,
      manifests: children.map((child) => ({ ...describe(child.manifest), ...platformOf(child) })),
      ...subjectOf(options.subject),
      ...(options.annotations && { annotations: options.annotations }),
    },
    types[options.style ?? 'oci'].index,
  )
  return { manifest, blobs: [], children, subject: options.subject?.manifest.digest, annotations: options.annotations }
}

/** An index of linux/amd64 and linux/arm64, each with layers of the given sizes. */
export function multiPlatform(options: ImageOptions = {}): Image {
  const of = (architecture: string) =>
    image({ ...options, seed: `${options.seed ?? 'multi'}/${architecture}`, platform: { os: 'linux', architecture } })
  return index([of('amd64'), of('arm64')], { style: options.style })
}

/** Something attached to an image: a signature, an SBOM. The config is the empty one. */
export function artifact(options: ImageOptions & { readonly artifactType: string }): Image {
  const { seed = 'artifact', layers = [300] } = options
  const parts = layers.map((size, at) => blob(size, `${seed}/part/${at}`, 'application/octet-stream'))
  return manifestOf(ociManifest, content(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json'), parts, options)
}

/** What `apptainer push oras://` makes: one SIF file, or so many bytes of none, as the only layer. */
export function sif(bytes: number | Buffer, seed = 'sif'): Image {
  const file = typeof bytes === 'number' ? blob(bytes, seed, sifLayer) : content(bytes, sifLayer)
  const annotated = { 'org.opencontainers.image.title': `${seed}.sif` }
  return manifestOf(ociManifest, json({}, sifConfig), [file], {}, annotated)
}

function manifestOf(
  mediaType: string,
  config: Content,
  layers: readonly Content[],
  options: ImageOptions,
  onLayers?: Readonly<Record<string, string>>,
): Image {
  const { subject, artifactType, annotations } = options
  const manifest = json(
    {
      schemaVersion: 2,
      mediaType,
      ...(artifactType && { artifactType }),
      config: describe(config),
      layers: layers.map((layer) => ({ ...describe(layer), ...(onLayers && { annotations: onLayers }) })),
      ...subjectOf(subject),
      ...(annotations && { annotations }),
    },
    mediaType,
  )
  return { manifest, blobs: [config, ...layers], children: [], subject: subject?.manifest.digest, artifactType, annotations }
}

export function describe({ mediaType, digest, bytes }: Content) {
  return { mediaType, digest, size: bytes.length }
}

function subjectOf(subject: Image | undefined) {
  return subject ? { subject: describe(subject.manifest) } : {}
}

function platformOf(child: Image) {
  const config = child.blobs[0]
  if (!config || child.children.length > 0) return {}
  const { os, architecture, variant } = JSON.parse(config.bytes.toString()) as Partial<Platform>
  return os ? { platform: { os, architecture, ...(variant && { variant }) } } : {}
}
