// Integers are little-endian and packed, times are seconds. @see apptainer/sif pkg/sif/sif.go

export const sifMagic = 'SIF_MAGIC\0'
export const sifLaunchLine = '#!/usr/bin/env run-singularity\n'

/** Byte offsets in the global header, which is at the start of the file. */
export const headerAt = {
  launch: 0,
  magic: 32,
  version: 42,
  arch: 45,
  id: 48,
  created: 64,
  modified: 72,
  descriptors: 88, // how many there is room for
  table: 96,
  end: 128,
} as const

/** Byte offsets in one descriptor of the table. */
export const descriptorAt = {
  type: 0,
  used: 4,
  id: 5,
  group: 9,
  link: 13,
  offset: 17,
  size: 25,
  created: 41,
  modified: 49,
  name: 73,
  extra: 201, // what it holds depends on the type
  end: 585,
} as const

/** Set in the number of a group, and in a link to one. */
export const groupMask = 0xf0000000

/** How each is named here, at the place of its number. */
export const objectKinds: ReadonlyMap<number, string> = new Map([
  [0x4001, 'definition'],
  [0x4002, 'environment'],
  [0x4003, 'labels'],
  [0x4004, 'partition'],
  [0x4005, 'signature'],
  [0x4006, 'json'],
  [0x4007, 'generic'],
  [0x4008, 'crypto-message'],
  [0x4009, 'sbom'],
  [0x400a, 'oci-root-index'],
  [0x400b, 'oci-blob'],
])
export const fileSystems = [undefined, 'squashfs', 'ext3', 'archive', 'raw', 'encrypted-squashfs', 'gocryptfs-squashfs'] as const
export const partitionRoles = [undefined, 'system', 'primary', 'data', 'overlay'] as const
export const signatureHashes = [undefined, 'sha256', 'sha384', 'sha512', 'blake2s', 'blake2b'] as const

/** Go's names; the number is the place. 0 is unknown. */
export const architectures = [
  undefined,
  '386',
  'amd64',
  'arm',
  'arm64',
  'ppc64',
  'ppc64le',
  'mips',
  'mipsle',
  'mips64',
  'mips64le',
  's390x',
  'riscv64',
  'loong64',
] as const
