// How to reach paretune: address, certificate and token, and what an error means.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";

/** Folder with the contract. */
export const PROTOS = fileURLToPath(new URL("../../../protos", import.meta.url));

// Every call here carries a request_id or changes nothing, so sending it again is safe. The delay that an
// overloaded service asks for (RetryInfo) arrives as grpc-retry-pushback-ms and is honoured by the channel.
export const OPTIONS: grpc.ClientOptions = {
  "grpc.service_config": JSON.stringify({
    methodConfig: [{
      name: [{}],
      retryPolicy: {
        maxAttempts: 5, initialBackoff: "0.1s", maxBackoff: "2s", backoffMultiplier: 2.5,
        retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
      },
    }],
  }),
  "grpc.keepalive_time_ms": 30_000,
  "grpc.max_receive_message_length": 16 * 1024 * 1024,
};

/** TLS when PARETUNE_CA names a PEM file, else plaintext. */
export function credentials(): grpc.ChannelCredentials {
  const file = process.env.PARETUNE_CA;
  return file ? grpc.credentials.createSsl(readFileSync(file)) : grpc.credentials.createInsecure();
}

/** Metadata of every call: the token, if any. */
export function metadata(token = process.env.PARETUNE_TOKEN): grpc.Metadata {
  const carried = new grpc.Metadata();
  if (token) carried.set("authorization", `Bearer ${token}`);
  return carried;
}

const DETAILS = protobuf.parse(`syntax = "proto3"; package google.rpc;
  message Any { string type_url = 1; bytes value = 2; }
  message Status { int32 code = 1; string message = 2; repeated Any details = 3; }
  message ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
  message Violation { string field = 1; string description = 2; }
  message BadRequest { repeated Violation field_violations = 1; }
  message Duration { int32 seconds = 1; int32 nanos = 2; }
  message RetryInfo { Duration retry_delay = 1; }`, { keepCase: true }).root;

/** What a failed call says beside its status: the reason, its variables, the offending fields, and when to come again. */
export interface ErrorDetails {
  reason?: string;
  metadata: Record<string, string>;
  fields: string[];
  retry_ms?: number;
}

/** Read the google.rpc.Status that travels in `grpc-status-details-bin`. */
export function details(error: grpc.ServiceError): ErrorDetails {
  const found: ErrorDetails = { metadata: {}, fields: [] };
  const [packed] = error.metadata?.get("grpc-status-details-bin") ?? [];
  if (!packed) return found;
  const read = (type: string, bytes: Uint8Array) =>
    DETAILS.lookupType(`google.rpc.${type}`).toObject(DETAILS.lookupType(`google.rpc.${type}`).decode(bytes));
  for (const any of read("Status", packed as Buffer).details ?? []) {
    if (any.type_url.endsWith("google.rpc.ErrorInfo")) {
      const info = read("ErrorInfo", any.value);
      found.reason = info.reason;
      found.metadata = info.metadata ?? {};
    } else if (any.type_url.endsWith("google.rpc.BadRequest")) {
      const bad = read("BadRequest", any.value);
      found.fields = (bad.field_violations ?? []).map((violation: { field: string }) => violation.field);
    } else if (any.type_url.endsWith("google.rpc.RetryInfo")) {
      const delay = read("RetryInfo", any.value).retry_delay ?? {};
      found.retry_ms = (delay.seconds ?? 0) * 1000 + (delay.nanos ?? 0) / 1e6;
    }
  }
  return found;
}
