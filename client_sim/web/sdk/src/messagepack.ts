/**
 * MessagePack: values to bytes in their shortest form, and bytes to values.
 *
 * An integer beyond 2^53 is read as BigInt, any other one as a number; which of the two a field has in the end is
 * decided by its row in the table of messages (see codec). Floats have no place in the protocol.
 */

export type Value = null | boolean | number | bigint | string | Uint8Array | Value[] | { [name: string]: Value };

const UTF8 = new TextEncoder();
const TEXT = new TextDecoder("utf-8", { fatal: true });

/** The bytes are no MessagePack, or hold what the protocol has no place for. */
export class MalformedBytes extends Error {}

/** Bytes that grow. */
class Writer {
  private bytes = new Uint8Array(256);
  private view = new DataView(this.bytes.buffer);
  private at = 0;

  /** Room for so many more bytes; where they begin. */
  private room(size: number): number {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  byte(value: number): void {
    const at = this.room(1); // it may put other bytes in place of these
    this.bytes[at] = value;
  }

  raw(bytes: Uint8Array): void {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** A tag, then a number of 1, 2, 4 or 8 bytes. */
  tagged(tag: number, size: number, value: number | bigint): void {
    this.byte(tag);
    const at = this.room(size);
    if (size === 1) this.view.setUint8(at, Number(BigInt.asUintN(8, BigInt(value))));
    else if (size === 2) this.view.setUint16(at, Number(BigInt.asUintN(16, BigInt(value))));
    else if (size === 4) this.view.setUint32(at, Number(BigInt.asUintN(32, BigInt(value))));
    else this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)));
  }

  taken(): Uint8Array {
    return this.bytes.slice(0, this.at);
  }
}

function writeInteger(writer: Writer, value: number | bigint): void {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${value} is not a whole number that a number holds: give a BigInt`);
  }
  if (value >= 0) {
    if (value < 128) writer.byte(Number(value));
    else if (value < 256) writer.tagged(0xcc, 1, value);
    else if (value < 65536) writer.tagged(0xcd, 2, value);
    else if (value < 4294967296) writer.tagged(0xce, 4, value);
    else writer.tagged(0xcf, 8, value);
  } else if (value >= -32) writer.byte(256 + Number(value));
  else if (value >= -128) writer.tagged(0xd0, 1, value);
  else if (value >= -32768) writer.tagged(0xd1, 2, value);
  else if (value >= -2147483648) writer.tagged(0xd2, 4, value);
  else writer.tagged(0xd3, 8, value);
}

/** The head of something with a size. `tag8` 0: this kind has no form with one byte. */
function writeHead(writer: Writer, size: number, fixed: number, fixedMax: number, tag8: number, tag16: number): void {
  if (size <= fixedMax) writer.byte(fixed | size);
  else if (tag8 && size < 256) writer.tagged(tag8, 1, size);
  else if (size < 65536) writer.tagged(tag16, 2, size);
  else writer.tagged(tag16 + 1, 4, size);
}

function write(writer: Writer, value: Value): void {
  if (value === null) writer.byte(0xc0);
  else if (typeof value === "boolean") writer.byte(value ? 0xc3 : 0xc2);
  else if (typeof value === "number" || typeof value === "bigint") writeInteger(writer, value);
  else if (typeof value === "string") {
    const bytes = UTF8.encode(value);
    writeHead(writer, bytes.length, 0xa0, 31, 0xd9, 0xda);
    writer.raw(bytes);
  } else if (value instanceof Uint8Array) {
    writeHead(writer, value.length, 0, -1, 0xc4, 0xc5);
    writer.raw(value);
  } else if (Array.isArray(value)) {
    writeHead(writer, value.length, 0x90, 15, 0, 0xdc);
    for (const item of value) write(writer, item);
  } else {
    const entries = Object.entries(value);
    writeHead(writer, entries.length, 0x80, 15, 0, 0xde);
    for (const [name, item] of entries) {
      write(writer, name);
      write(writer, item);
    }
  }
}

/** The bytes of a value. Throws RangeError for a number that is not a whole number. */
export function pack(value: Value): Uint8Array {
  const writer = new Writer();
  write(writer, value);
  return writer.taken();
}

const DEPTH_MAX = 32;

class Reader {
  private at = 0;
  private depth = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get isAtEnd(): boolean {
    return this.at === this.bytes.length;
  }

  private take(size: number): number {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length) throw new MalformedBytes("the bytes end too early");
    return at;
  }

  /** A number without a sign, of 1, 2 or 4 bytes. */
  private size(bytes: number): number {
    const at = this.take(bytes);
    return bytes === 1 ? this.view.getUint8(at) : bytes === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  private signed(bytes: number): Value {
    const at = this.take(bytes);
    if (bytes === 1) return this.view.getInt8(at);
    if (bytes === 2) return this.view.getInt16(at);
    return bytes === 4 ? this.view.getInt32(at) : narrow(this.view.getBigInt64(at));
  }

  private string(size: number): string {
    const at = this.take(size);
    return TEXT.decode(this.bytes.subarray(at, at + size));
  }

  private binary(size: number): Uint8Array {
    const at = this.take(size);
    return this.bytes.slice(at, at + size);
  }

  private array(size: number): Value[] {
    const items: Value[] = [];
    for (let left = size; left > 0; left--) items.push(this.value());
    return items;
  }

  private map(size: number): Value {
    const items: { [name: string]: Value } = Object.create(null);
    for (let left = size; left > 0; left--) items[String(this.value())] = this.value();
    return items;
  }

  value(): Value {
    if (++this.depth > DEPTH_MAX) throw new MalformedBytes("nested too deeply");
    const value = this.tagged(this.bytes[this.take(1)]!);
    this.depth--;
    return value;
  }

  private tagged(tag: number): Value {
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 15);
    if (tag < 0xa0) return this.array(tag & 15);
    if (tag < 0xc0) return this.string(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return tag === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.binary(this.size(1 << (tag - 0xc4)));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.size(1 << (tag - 0xcc));
      case 0xcf:
        return narrow(this.view.getBigUint64(this.take(8)));
      case 0xd0:
      case 0xd1:
      case 0xd2:
      case 0xd3:
        return this.signed(1 << (tag - 0xd0));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.string(this.size(1 << (tag - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.array(this.size(tag === 0xdc ? 2 : 4));
      case 0xde:
      case 0xdf:
        return this.map(this.size(tag === 0xde ? 2 : 4));
      default:
        throw new MalformedBytes(`0x${tag.toString(16)} has no place in a message`);
    }
  }
}

function narrow(big: bigint): number | bigint {
  const isSafe = big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(big) : big;
}

/** The one value that the bytes are. Throws MalformedBytes, or TypeError for a text that is not UTF-8. */
export function unpack(bytes: Uint8Array): Value {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (!reader.isAtEnd) throw new MalformedBytes("bytes follow the value");
  return value;
}
