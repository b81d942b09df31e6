/** Reads the numbers of a column: seven bits a byte, the lowest first; the eighth says that more follow. */
export class Varints {
  private at = 0;

  constructor(private readonly bytes: Uint8Array) {}

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  /** Where the next number begins. */
  get place(): number {
    return this.at;
  }

  next(): number {
    const bytes = this.bytes;
    let byte = bytes[this.at++];
    if (byte < 0x80) {
      return byte;
    }
    let value = byte & 0x7f;
    let scale = 0x80;
    do {
      byte = bytes[this.at++];
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
    } while (byte >= 0x80);
    return value;
  }

  /** A number that may be negative: the lowest bit is the sign. */
  nextSigned(): number {
    const value = this.next();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(count: number): void {
    this.at += count;
  }
}
