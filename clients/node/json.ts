// proto3 JSON for protobufjs, which has its own: durations as "2.5s", field masks as text, wrappers as their
// value, numbers that are not finite as text.
import type protobuf from "protobufjs";

type Json = any;
const NUMBERS = new Set(["double", "float"]);

/** proto3 JSON -> what `Type.fromObject` takes. */
export function sendable(value: Json, type: protobuf.Type): Json {
  switch (type.fullName) {
    case ".google.protobuf.Duration": {
      const [whole = "0", fraction = ""] = value.replace("s", "").split(".");
      return { seconds: whole, nanos: Number(fraction.padEnd(9, "0")) };
    }
    case ".google.protobuf.FieldMask": return { paths: value.split(",") };
    case ".google.protobuf.DoubleValue": return { value };
  }
  return each(value, type, sendable);
}

/** A decoded message -> proto3 JSON with the names of the .proto, fields at their default left out. */
export function plain(message: protobuf.Message, type: protobuf.Type): Json {
  return told(type.toObject(message, { longs: String, enums: String }), type);
}

function told(value: Json, type: protobuf.Type): Json {
  switch (type.fullName) {
    case ".google.protobuf.Duration": {
      const fraction = value.nanos ? `.${String(value.nanos).padStart(9, "0").replace(/(000)+$/, "")}` : "";
      return `${value.seconds ?? 0}${fraction}s`;
    }
    case ".google.protobuf.Timestamp":
      return new Date(Number(value.seconds ?? 0) * 1000 + (value.nanos ?? 0) / 1e6).toISOString();
    case ".google.protobuf.DoubleValue": return value.value ?? 0;
  }
  return each(value, type, told);
}

function each(value: Json, type: protobuf.Type, message: (v: Json, t: protobuf.Type) => Json): Json {
  const result: Record<string, Json> = {};
  for (const [key, item] of Object.entries(value ?? {})) {
    const field = type.fields[key];
    if (!field) throw new Error(`${type.fullName} has no field ${key}`);
    const inner = field.resolvedType;
    const one = (one: Json): Json => {
      if (inner && "fields" in inner) return message(one, inner as protobuf.Type);
      return NUMBERS.has(field.type) && typeof one === "string" ? Number(one) : one;
    };
    if (field.map) result[key] = Object.fromEntries(Object.entries(item as object).map(([k, v]) => [k, one(v)]));
    else if (field.repeated) result[key] = (item as Json[]).map(one);
    else result[key] = one(item);
  }
  return result;
}
