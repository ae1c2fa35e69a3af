/**
 * Messages to bytes and back, by the table of fields (see messages): ids and tickets are BigInt, all other integers
 * numbers. Elements after the last field that is known are ignored, and so are messages of an unknown kind.
 *
 * A row of the table is a kind and a text of fields, `name:type`, or `name:type=default` for one that may be missing:
 *
 *     n  integer as number   i  integer as BigInt   t  text   b  bytes   o  boolean
 *     [T list of T           <T map from text       ~T T or nil           {Name  array of the fields of a struct
 *     M  a whole message, with its kind
 *
 * A default that is empty is the empty value of its type: 0, "", false, no bytes, an empty list.
 */

import { MalformedMessage } from "./errors.js";
import type { AnyMessage } from "./messages.js";
import { pack, unpack, type Value } from "./messagepack.js";

/** Rows by name: of a message its kind and fields, of a struct 0 and its fields. */
export type Table = Readonly<Record<string, readonly [kind: number, fields: string]>>;

interface Field {
  name: string;
  type: string;
  fallback: string | undefined;
}

interface Row {
  name: string;
  kind: number;
  fields: Field[];
}

type Fields = Record<string, unknown>;

/** What a struct is when a message leaves it out. */
const LEFT_OUT: Readonly<Record<string, Value>> = { MoneyUnit: ["元", "yuan", "¥", 2] };

export class Codec {
  private readonly byName = new Map<string, Row>();
  private readonly byKind = new Map<number, Row>();

  constructor(...tables: Table[]) {
    for (const table of tables) {
      for (const [name, [kind, text]] of Object.entries(table)) {
        const row = { name, kind, fields: text ? text.split(" ").map(parsed) : [] };
        this.byName.set(name, row);
        if (kind) this.byKind.set(kind, row);
      }
    }
  }

  /** The number that a message of this name begins with. */
  kindOf(name: string): number {
    return this.row(name).kind;
  }

  /** The payload of a message. Throws MalformedMessage. */
  encode(name: string, seq: number, fields: object): Uint8Array {
    const row = this.row(name);
    const elements = this.elements(row, fields as Fields);
    try {
      return pack([row.kind, seq, ...elements]);
    } catch (error) {
      if (error instanceof RangeError) throw new MalformedMessage(`${name}: ${error.message}`);
      throw error;
    }
  }

  /** The message in a payload; null if it is newer than this table. Throws MalformedMessage, MalformedBytes. */
  decode(payload: Uint8Array): AnyMessage | null {
    const value = unpack(payload);
    if (!Array.isArray(value) || typeof value[0] !== "number" || typeof value[1] !== "number") {
      throw new MalformedMessage("a message is an array that begins with two whole numbers");
    }
    return this.message(value);
  }

  private row(name: string): Row {
    const row = this.byName.get(name);
    if (row === undefined) throw new MalformedMessage(`there is no message ${name}`);
    return row;
  }

  private message(value: Value[]): AnyMessage | null {
    const row = this.byKind.get(value[0] as number);
    if (row === undefined) return null;
    const message = this.struct(row, value.slice(2));
    return { kind: row.name, seq: value[1], ...message } as unknown as AnyMessage;
  }

  private struct(row: Row, elements: Value[]): Fields {
    const read: Fields = {};
    row.fields.forEach((field, at) => {
      const value = at < elements.length ? elements[at]! : this.fallback(field, row.name);
      read[field.name] = this.read(field.type, value, `${row.name}.${field.name}`);
    });
    return read;
  }

  private elements(row: Row, fields: Fields): Value[] {
    return row.fields.map((field) => {
      const given = fields[field.name];
      const where = `${row.name}.${field.name}`;
      return given === undefined ? this.fallback(field, row.name) : this.written(field.type, given, where);
    });
  }

  private fallback(field: Field, owner: string): Value {
    if (field.fallback === undefined) throw new MalformedMessage(`${owner}.${field.name}: it is missing`);
    const kind = field.type[0]!;
    if (kind === "{") return LEFT_OUT[field.type.slice(1)] ?? [];
    if (kind === "n" || kind === "i") return Number(field.fallback);
    if (kind === "o") return field.fallback === "true";
    const empty: Record<string, Value> = { "[": [], b: new Uint8Array(), "~": null, "<": {} };
    return kind in empty ? empty[kind]! : field.fallback;
  }

  private read(type: string, value: Value, where: string): unknown {
    const inner = type.slice(1);
    switch (type[0]) {
      case "n":
        if (typeof value === "number") return value;
        break;
      case "i":
        if (typeof value === "number" || typeof value === "bigint") return BigInt(value);
        break;
      case "t":
        if (typeof value === "string") return value;
        break;
      case "b":
        if (value instanceof Uint8Array) return value;
        break;
      case "o":
        if (typeof value === "boolean") return value;
        break;
      case "~":
        return value === null ? null : this.read(inner, value, where);
      case "[":
        if (Array.isArray(value)) return this.list(inner, value, where);
        break;
      case "{":
        if (Array.isArray(value)) return this.struct(this.row(inner), value);
        break;
      case "M":
        if (Array.isArray(value)) return this.message(value);
        break;
      case "<":
        if (isMap(value)) return mapped(value, (item) => this.read(inner, item, where));
    }
    throw new MalformedMessage(`${where}: ${typeof value} in place of ${type}`);
  }

  /** Messages of an unknown kind are left out of a list. */
  private list(type: string, items: Value[], where: string): unknown[] {
    const read = items.map((item) => this.read(type, item, where));
    return type === "M" ? read.filter((item) => item !== null) : read;
  }

  private written(type: string, given: unknown, where: string): Value {
    const inner = type.slice(1);
    switch (type[0]) {
      case "[":
        return (given as unknown[]).map((item) => this.written(inner, item, where));
      case "<":
        return mapped(given as Record<string, Value>, (item) => this.written(inner, item, where));
      case "~":
        return given === null ? null : this.written(inner, given, where);
      case "{":
        return this.elements(this.row(inner), given as Fields);
      case "M": {
        const row = this.row((given as AnyMessage).kind);
        return [row.kind, (given as AnyMessage).seq, ...this.elements(row, given as unknown as Fields)];
      }
      default:
        this.read(type, given as Value, where);
        return given as Value;
    }
  }
}

function parsed(text: string): Field {
  const [name, rest] = text.split(":") as [string, string];
  const [type, fallback] = rest.split("=") as [string, string | undefined];
  return { name, type, fallback };
}

function isMap(value: Value): value is { [name: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function mapped<To>(from: Record<string, Value>, change: (item: Value) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(from).map(([name, item]) => [name, change(item)]));
}
