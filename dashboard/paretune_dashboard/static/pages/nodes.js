// Trainer nodes: their devices, what they run, when they were heard of; and leases without a node.

import { get } from "../api.js";
import { empty, h, show } from "../dom.js";
import { count, number, plural, share } from "../format.js";

const REFRESH = 3000;
const LATE_SECONDS = 90;

export async function open(main, at, current) {
  document.title = "Nodes · paretune";
  const body = h("div", { class: "stack" });
  show(main, h("div", { class: "head" }, h("h1", { class: "grow" }, "Nodes")), body);
  let timer = 0;
  async function load() {
    const found = await get("/nodes-and-leases");
    if (current()) draw(body, found);
  }
  await load();
  const again = async () => {
    if (document.visibilityState === "visible")
      await load().catch(() => {
        /* the next look may succeed */
      });
    if (current()) timer = setTimeout(again, REFRESH);
  };
  timer = setTimeout(again, REFRESH);
  return () => clearTimeout(timer);
}

const bytes = (value) => (Number(value) ? `${number(Number(value) / 2 ** 30, 3)} GiB` : "–");

function draw(body, { nodes, leases, expired }) {
  const held = new Map();
  for (const lease of leases) held.set(lease.worker, [...(held.get(lease.worker) || []), lease]);
  const known = new Set(nodes.map(({ node }) => node.worker));
  const others = [...held].filter(([worker]) => !known.has(worker));
  show(
    body,
    nodes.length
      ? nodes.map((one) => card(one, held.get(one.node.worker) || []))
      : h(
          "div",
          { class: "card" },
          empty(
            "No trainer has reported",
            h("p", {}, "Start one beside these services, on this machine or another:"),
            h("pre", {}, "paretune trainer --server HOST:PORT"),
          ),
        ),
    others.length > 0 &&
      h(
        "section",
        { class: "card", "data-key": "others" },
        h("header", {}, h("h2", {}, "Workers of your own")),
        h("p", { class: "small muted" }, "They hold leases and are no trainer nodes."),
        others.map(([worker, mine]) => [h("h3", {}, worker), leaseTable(mine)]),
      ),
    h(
      "section",
      { class: "card", "data-key": "expired" },
      h("header", {}, h("h2", {}, "Handed out more than once")),
      expired.length
        ? h(
            "div",
            { class: "scroll" },
            h(
              "table",
              {},
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ["Experiment", "Suggestion", "State", "Attempt"].map((name) =>
                    h("th", { scope: "col" }, name),
                  ),
                ),
              ),
              h(
                "tbody",
                {},
                expired.map((one) =>
                  h(
                    "tr",
                    {},
                    h("td", {}, link(one)),
                    h("td", {}, one.ordinal),
                    h("td", {}, one.state),
                    h("td", {}, one.attempt),
                  ),
                ),
              ),
            ),
          )
        : h("p", { class: "muted" }, "No lease expired among what is queued, in training or lost."),
    ),
  );
}

const link = (one) =>
  h("a", { href: `#/experiments/${encodeURIComponent(one.experiment_id)}` }, one.experiment_id);

function card({ node, age }, leases) {
  const quiet = parseFloat(age),
    late = quiet > LATE_SECONDS;
  const state = late
    ? ["bad", `silent for ${Math.round(quiet)} s`]
    : node.draining
      ? ["warn", "draining"]
      : node.problem
        ? ["warn", "has a problem"]
        : node.running
          ? ["good", `${plural(node.running, "trial")} running`]
          : ["", "idle"];
  return h(
    "section",
    { class: "card", "data-key": node.worker, "aria-label": node.worker },
    h(
      "header",
      {},
      h(
        "div",
        { class: "row" },
        h("h2", {}, node.worker),
        h(
          "span",
          { class: `chip ${state[0]}` },
          !late && node.running > 0 && h("i", { class: "dot live" }),
          state[1],
        ),
      ),
      h(
        "span",
        { class: "small muted" },
        `heard of ${Math.round(quiet)} s ago · ${node.running || 0} of ${plural(node.slots || 0, "slot")}`,
      ),
    ),
    node.problem && h("p", { class: "notice" }, node.problem),
    ...Object.entries(node.unable || {}).map(([id, why]) =>
      h("p", { class: "notice" }, `Leaves ${id} alone: ${why}`),
    ),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Device", "Memory", "Busy", "Trials", ""].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          (node.devices || []).map((device) =>
            h(
              "tr",
              {},
              h("td", {}, device.name || device.id, h("div", { class: "small muted" }, device.id)),
              h("td", {}, `${bytes(device.memory_used_bytes)} of ${bytes(device.memory_bytes)}`),
              h(
                "td",
                {},
                device.utilization === undefined || device.utilization === null
                  ? "–"
                  : share(Number(device.utilization)),
              ),
              h("td", {}, `${device.running || 0}${device.slots ? ` of ${device.slots}` : ""}`),
              h("td", {}, device.problem || ""),
            ),
          ),
        ),
      ),
    ),
    h(
      "p",
      { class: "small muted" },
      [
        `${node.cpu_count} cores`,
        bytes(node.memory_bytes),
        node.executor,
        node.address,
        `paretune ${node.version}`,
        ...Object.entries(node.frameworks || {}).map(([name, version]) => `${name} ${version}`),
      ]
        .filter(Boolean)
        .join(" · "),
    ),
    leases.length > 0 && leaseTable(leases),
  );
}

function leaseTable(leases) {
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          ["In training", "Suggestion", "Attempt", "Lease ends in"].map((name) =>
            h("th", { scope: "col" }, name),
          ),
        ),
      ),
      h(
        "tbody",
        {},
        leases.map((one) =>
          h(
            "tr",
            { "data-key": `${one.experiment_id} ${one.ordinal}` },
            h("td", {}, link(one)),
            h("td", {}, count(one.ordinal)),
            h("td", {}, one.attempt),
            h(
              "td",
              {},
              one.seconds_left < 0
                ? h("span", { class: "chip bad" }, "expired")
                : `${Math.round(one.seconds_left)} s`,
            ),
          ),
        ),
      ),
    ),
  );
}
