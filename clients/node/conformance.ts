// Run the conformance cases: node build/conformance.js HOST:PORT CASES.json...
// Prints TAP; exits with 1 when a case failed. The format: clients/conformance/README.md.
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import protobuf from "protobufjs";
import { credentials, details, metadata, OPTIONS, PROTOS } from "./connection.js";
import { plain, sendable } from "./json.js";

type Json = any;
interface Step {
  call: string; request?: Json; request_hex?: string; deadline_ms?: number; replies?: number; token?: string;
  status?: string; reason?: string; metadata?: Json; fields?: string[]; retry_ms?: number;
  reply?: Json; save?: Record<string, string>; remember?: string; equals?: string;
}
class Mismatch extends Error {}

const root = new protobuf.Root();
root.resolvePath = (_origin, target) => (target.startsWith("paretune/") ? join(PROTOS, target) : target);
root.loadSync(["paretune/v1/optimizer.proto", "paretune/v1/store.proto"], { keepCase: true }).resolveAll();

function filled(value: Json, known: Map<string, string>): Json {
  if (typeof value === "string") return value.replace(/\$\{(\w+)\}/g, (_, name) => known.get(name) ?? "");
  if (Array.isArray(value)) return value.map((item) => filled(item, known));
  if (value && typeof value === "object")
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, filled(item, known)]));
  return value;
}

function compare(path: string, expected: Json, actual: Json): void {
  if (expected === null || expected === "$any") {
    if ((expected === null) !== (actual === undefined || actual === null))
      throw new Mismatch(`${path}: expected ${expected === null ? "nothing" : "something"}, got ${JSON.stringify(actual)}`);
  } else if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    expected.forEach((value, number) => compare(`${path}[${number}]`, value, actual[number]));
  } else if (typeof expected === "object" && !Array.isArray(expected) && actual && typeof actual === "object") {
    for (const [key, value] of Object.entries(expected)) compare(`${path}.${key}`, value, actual[key]);
  } else if (expected !== actual) {
    throw new Mismatch(`${path}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual)}`);
  }
}

/** The last bytes received: the reply of a unary call, or the reply number `replies` of a stream. */
function exchange(client: grpc.Client, step: Step, bytes: Buffer, stream: boolean): Promise<Buffer> {
  const same = (buffer: Buffer) => buffer;
  const options = { deadline: new Date(Date.now() + (step.deadline_ms ?? 30_000)) };
  const path = `/${step.call}`;
  return new Promise((resolve, reject) => {
    if (!stream) {
      client.makeUnaryRequest(path, same, same, bytes, metadata(step.token), options, (error, reply) =>
        error ? reject(error) : resolve(reply!));
      return;
    }
    const replies = client.makeServerStreamRequest(path, same, same, bytes, metadata(step.token), options);
    let count = 0;
    replies.on("data", (reply: Buffer) => {
      if (++count === step.replies) { resolve(reply); replies.cancel(); }
    });
    replies.on("error", reject);
    replies.on("end", () => reject(new Mismatch("the stream ended")));
  });
}

async function run(client: grpc.Client, step: Step, known: Map<string, string>, kept: Map<string, Buffer>) {
  const [serviceName, name] = step.call.split("/") as [string, string];
  const method = root.lookupService(serviceName).methods[name];
  const input = method && root.lookupType(`paretune.v1.${method.requestType}`);
  const bytes = input && step.request
    ? Buffer.from(input.encode(input.fromObject(sendable(filled(step.request, known), input))).finish())
    : Buffer.from(step.request_hex ?? "", "hex");
  let reply: Buffer;
  try {
    reply = await exchange(client, step, bytes, method?.responseStream ?? false);
  } catch (error) {
    if (error instanceof Mismatch) throw error;
    const failure = error as grpc.ServiceError;
    if (!step.status) throw new Mismatch(`expected OK, got ${grpc.status[failure.code]}: ${failure.details}`);
    const said = details(failure);
    compare("status", step.status, grpc.status[failure.code]);
    if (step.reason) compare("reason", step.reason, said.reason);
    if (step.metadata) compare("metadata", filled(step.metadata, known), said.metadata);
    if (step.retry_ms !== undefined) compare("retry_ms", step.retry_ms, said.retry_ms);
    const missing = (step.fields ?? []).filter((field) => !said.fields.includes(field));
    if (missing.length) throw new Mismatch(`fields: ${missing} are not among ${said.fields}`);
    return;
  }
  if (step.status) throw new Mismatch(`expected ${step.status}, got OK`);
  if (step.equals && !kept.get(step.equals)!.equals(reply)) throw new Mismatch("the reply differs from the first one");
  if (step.remember) kept.set(step.remember, reply);
  const output = root.lookupType(`paretune.v1.${method!.responseType}`);
  const document = plain(output.decode(reply), output);
  compare("reply", filled(step.reply ?? {}, known), document);
  for (const [variable, path] of Object.entries(step.save ?? {}))
    known.set(variable, path.split(".").reduce((value: Json, key) => value[key], document));
}

async function main(address: string, files: string[]): Promise<number> {
  const client = new grpc.Client(address, credentials(), OPTIONS);
  const known = new Map([["run", randomBytes(4).toString("hex")]]);
  const kept = new Map<string, Buffer>();
  let [number, failed] = [0, 0];
  for (const file of files) {
    for (const { name, steps } of JSON.parse(readFileSync(file, "utf8")) as { name: string; steps: Step[] }[]) {
      number++;
      let step: Step | undefined;
      try {
        for (step of steps) await run(client, step, known, kept);
        console.log(`ok ${number} - ${name}`);
      } catch (error) {
        failed++;
        console.log(`not ok ${number} - ${name}\n# ${step?.call}: ${(error as Error).message}`);
      }
    }
  }
  console.log(`1..${number}`);
  client.close();
  return failed ? 1 : 0;
}

main(process.argv[2]!, process.argv.slice(3)).then((code) => process.exit(code));
