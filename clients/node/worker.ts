// A complete small worker: creates an experiment, trains something trivial on every suggestion, reads the front.
//
//   node build/worker.js [HOST:PORT]        PARETUNE_CA and PARETUNE_TOKEN as in connection.ts
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import * as grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { credentials, details, metadata, OPTIONS, PROTOS } from "./connection.js";

const loaded = grpc.loadPackageDefinition(
  loadSync(["paretune/v1/optimizer.proto", "paretune/v1/store.proto"], {
    includeDirs: [PROTOS], keepCase: true, enums: String, longs: String, defaults: true, oneofs: true,
  }),
) as any;
const { OptimizerService, StoreService } = loaded.paretune.v1;

/** A unary call as a promise, with a deadline. */
function call(client: grpc.Client, method: string, request: object, seconds = 30): Promise<any> {
  return new Promise((resolve, reject) => {
    const deadline = new Date(Date.now() + seconds * 1000);
    (client as any)[method](request, metadata(), { deadline }, (error: grpc.ServiceError | null, reply: any) =>
      error ? reject(error) : resolve(reply));
  });
}

/** Fit y = 2 x + 1 by gradient descent: the more steps, the smaller the loss and the greater the cost. */
function train(rate: number, steps: number): { loss: number; cost: number } {
  const xs = Array.from({ length: 20 }, (_, i) => i / 10 - 1);
  let [slope, offset] = [0, 0];
  for (let step = 0; step < steps; step++) {
    const errors = xs.map((x) => slope * x + offset - (2 * x + 1));
    slope -= (rate * errors.reduce((sum, e, i) => sum + e * xs[i]!, 0)) / xs.length;
    offset -= (rate * errors.reduce((sum, e) => sum + e, 0)) / xs.length;
  }
  const loss = xs.reduce((sum, x) => sum + (slope * x + offset - (2 * x + 1)) ** 2, 0) / xs.length;
  return { loss: Math.log10(loss + 1e-12), cost: steps };
}

async function main(address: string, trials: number): Promise<void> {
  const store = new StoreService(address, credentials(), OPTIONS);
  const optimizer = new OptimizerService(address, credentials(), OPTIONS);
  const { experiment } = await call(store, "CreateExperiment", {
    request_id: randomUUID(),
    experiment: {
      name: "line fit (Node)",
      parameters: [
        { name: "rate", double_domain: { min: 0.001, max: 1, log: true } },
        { name: "steps", int_domain: { min: 1, max: 100, log: true } },
      ],
      metrics: [{ name: "loss", goal: "GOAL_MINIMIZE" }, { name: "cost", goal: "GOAL_MINIMIZE", unit: "steps" }],
      observation_budget: trials,
    },
  });
  const worker = `node-${hostname()}-${process.pid}`;
  for (let trial = 0; trial < trials; trial++) {
    const { suggestions: [suggestion] } = await call(optimizer, "Suggest", {
      experiment_id: experiment.id, worker, request_id: randomUUID(),
    });
    const { rate, steps } = suggestion.assignments;
    const { loss, cost } = train(rate.double_value, Number(steps.int_value));
    await call(store, "Observe", {
      fence: suggestion.lease.fence, request_id: randomUUID(),
      observation: {
        experiment_id: experiment.id, suggestion_id: suggestion.id,
        values: [{ metric: "loss", value: loss }, { metric: "cost", value: cost }],
      },
    });
  }
  const { front } = await call(optimizer, "GetParetoFront", { experiment_id: experiment.id });
  console.log(`${experiment.id}: ${front.observation_count} observations, hypervolume ${front.hypervolume.toFixed(4)}`);
  for (const { observation: { assignments, values } } of front.points) {
    console.log(`rate=${assignments.rate.double_value.toPrecision(3)} steps=${assignments.steps.int_value}`,
      ...values.map((v: any) => `${v.metric}=${v.value.toPrecision(3)}`));
  }
}

main(process.argv[2] ?? "127.0.0.1:50051", 12).then(() => process.exit(0), (error: grpc.ServiceError) => {
  console.error(`${grpc.status[error.code] ?? ""} ${error.details ?? error}`, details(error));
  process.exit(1);
});
