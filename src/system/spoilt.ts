import { isFault } from '../model/fault.ts'

/** What the system says of files that are damaged, or lie where nothing can be read. */
const ofTheFile = /^(?:EIO|EUCLEAN|EBADMSG|ENODATA|EILSEQ|EREMOTEIO|ENXIO|ESTALE|EACCES|EPERM|EISDIR|ELOOP)\b|\bends at\b/

/** Is it the file that cannot be read, rather than we who cannot read any now? */
export function isSpoilt(error: unknown): boolean {
  return isFault(error, 'disk-failed') && ofTheFile.test(error.details.why)
}
