/** Bytes that are read in pieces, so that nobody has to unpack all of a large trace. */
export interface Bytes {
  readonly size: number;
  /** The bytes from `from` up to, but not with, `to`. */
  read(from: number, to: number): Uint8Array;
}

/** Bytes as they are. */
export function plainBytes(buffer: ArrayBuffer): Bytes {
  return {
    size: buffer.byteLength,
    read: (from, to) => new Uint8Array(buffer, from, to - from),
  };
}

/** Bytes in base64, without spaces; only what is read is unpacked. */
export function base64Bytes(text: string): Bytes {
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  return {
    size: (text.length / 4) * 3 - padding,
    read(from, to) {
      // Four characters stand for three bytes.
      const first = Math.floor(from / 3);
      const piece = fromBase64(text.slice(first * 4, Math.ceil(to / 3) * 4));
      return piece.subarray(from - first * 3, to - first * 3);
    },
  };
}

function fromBase64(text: string): Uint8Array {
  const native = (Uint8Array as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (native) {
    return native(text);
  }
  const latin1 = atob(text);
  const bytes = new Uint8Array(latin1.length);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = latin1.charCodeAt(at);
  }
  return bytes;
}

/** Undoes zlib's compression. */
export async function inflate(bytes: Uint8Array): Promise<Uint8Array> {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  const stream = blob.stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
