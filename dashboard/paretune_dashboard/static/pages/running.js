// A trial that waits or is in training, in a drawer that keeps itself current.

import { get, newRequestId, post, readOnly } from "../api.js";
import { dialog, h, say, show } from "../dom.js";
import { bare, number } from "../format.js";
import { plainValue } from "../model.js";
import { attempts, curves, facts, printed, section, why } from "./drawer.js";

const REFRESH = 3000;

export function openRunning(page, { id, ordinal }) {
  const body = h("div", { class: "stack" }, h("p", { class: "loading" }, "Loading …"));
  const box = dialog(`Suggestion ${ordinal}`, body, "drawer");
  const path = `/suggestions/${encodeURIComponent(id)}`;
  let last = "";
  async function load() {
    if (!box.isConnected) return;
    try {
      const [told, listed] = await Promise.all([
        get(path, { with_history: true }),
        get(`${path}/checkpoints`, { page_size: 1000 }),
      ]);
      const seen = JSON.stringify([told, listed]);
      // Drawn anew only when something changed: whoever reads or selects is not disturbed.
      if (seen !== last) draw(body, page, told, listed.checkpoints || [], path, load);
      last = seen;
      if (["queued", "leased"].includes(bare(told.suggestion.state, "SUGGESTION_STATE_")))
        setTimeout(load, REFRESH);
    } catch (error) {
      show(body, h("p", { class: "notice bad" }, error.message));
    }
  }
  load();
}

function draw(body, page, { suggestion, history, log_tail, log_time }, checkpoints, path, again) {
  const state = bare(suggestion.state, "SUGGESTION_STATE_"),
    held = state === "leased";
  const act = (verb, label, fields, said) =>
    h(
      "button",
      {
        onclick: async () => {
          try {
            await post(`${path}/${verb}`, { ...fields, request_id: newRequestId() });
            say(said);
            again();
          } catch (error) {
            say(error.message, true);
          }
        },
      },
      label,
    );
  const why_ = { reason: "asked for in the dashboard" };
  const values = Object.entries(suggestion.assignments || {}).map(([name, value]) => {
    const plain = plainValue(value);
    return [name, typeof plain === "number" ? number(plain, 6) : plain];
  });
  show(
    body,
    h(
      "div",
      { class: "row" },
      h(
        "span",
        { class: `chip ${held ? "good" : ""}` },
        held && h("i", { class: "dot live" }),
        held ? "in training" : state,
      ),
      suggestion.attempt > 1 && h("span", { class: "chip warn" }, `attempt ${suggestion.attempt}`),
      suggestion.lease && h("span", { class: "muted small" }, `on ${suggestion.lease.worker}`),
    ),
    suggestion.stop_reason && h("p", { class: "notice" }, `Asked to stop early: ${suggestion.stop_reason}`),
    !readOnly() &&
      (held || state === "queued") &&
      h(
        "div",
        { class: "row tight" },
        held &&
          !suggestion.stop_reason &&
          act("stop", "Stop early", why_, "It stops at its next step and reports what it has."),
        act(
          "cancel",
          held ? "Cancel" : "Withdraw",
          {},
          "Cancelled; its worker is told with the next heartbeat.",
        ),
      ),
    checkpoints.length > 0
      ? curves(checkpoints)
      : held && h("p", { class: "muted" }, "It has told no intermediate values yet."),
    log_tail
      ? printed(log_tail, log_time)
      : held &&
          h(
            "p",
            { class: "muted small" },
            "The end of its log appears with a heartbeat: three times in the life of a lease.",
          ),
    section("Configuration", facts(values)),
    why(suggestion),
    attempts(history),
  );
}
