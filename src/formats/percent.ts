/**
 * Decodes a part of a raw path once. What cannot be decoded, or would become a slash, is left as it is: no grammar of names
 * admits a percent sign.
 */
export function decodeOnce(part: string): string {
  if (!part.includes('%') || /%2f/i.test(part)) return part
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
