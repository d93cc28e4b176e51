// All trials as a table: sorted and filtered by the gateway, fetched page by page while one scrolls.

import { address, below, get, post, readOnly, newRequestId } from "../api.js";
import { debounced, dialog, empty, h, say, show, update } from "../dom.js";
import { clock, count, number, plural, title, withError } from "../format.js";
import { OUTCOMES } from "../model.js";
import { configurationForm } from "./configuration.js";

const PAGE = 100,
  ROW = 37,
  AHEAD = 12;
const FILTERS = [
  ["", "All outcomes"],
  ["OK", "ok"],
  ["INFEASIBLE", "infeasible"],
  ["CRASHED", "crashed"],
  ["STOPPED_EARLY", "stopped early"],
];

export function open(body, page) {
  const { trials } = page;
  const wanted = { sort: "ordinal", order: "desc", filter: "", outcome: "" };
  let pages = new Map(),
    matching = 0,
    front = new Set(page.front?.ordinals || []),
    version = 0;
  const said = h("span", { class: "muted small", role: "status" });
  const filter = h("input", {
    type: "search",
    "aria-label": "Filter",
    placeholder: `Filter: ${trials.metrics[0].name}>0.9  ${trials.parameters[0].name}=…  or words`,
  });
  filter.style.setProperty("width", "min(460px, 100%)");
  filter.addEventListener(
    "input",
    debounced(() => {
      wanted.filter = filter.value;
      fresh();
    }, 200),
  );
  const outcome = h(
    "select",
    {
      "aria-label": "Outcome",
      onchange: () => {
        wanted.outcome = outcome.value;
        fresh();
      },
    },
    FILTERS.map(([value, text]) => h("option", { value }, text)),
  );
  const head = h("thead"),
    rows = h("tbody"),
    above = h("tbody", { class: "pad" }, h("tr", {}, h("td"))),
    beneath = h("tbody", { class: "pad" }, h("tr", {}, h("td")));
  const table = h(
    "table",
    { "aria-rowcount": "0" },
    h("caption", { class: "visually-hidden" }, "Trials"),
    head,
    above,
    rows,
    beneath,
  );
  const window = h(
    "div",
    {
      class: "virtual",
      tabindex: "0",
      role: "region",
      "aria-label": "Trials",
      onscroll: () => requestAnimationFrame(draw),
    },
    table,
  );
  show(
    body,
    h(
      "div",
      { class: "controls" },
      filter,
      outcome,
      said,
      h("span", { class: "grow" }),
      !readOnly() && h("button", { onclick: () => queue(page) }, "Queue a configuration"),
      h(
        "a",
        { class: "button", href: address(below(page.id, "/trials.csv")), download: `${page.id}.csv` },
        "CSV",
      ),
    ),
    page.selected &&
      h(
        "p",
        { class: "notice plain" },
        `${plural(page.selected.size, "trial")} selected in the charts; marked here.`,
      ),
    h("div", { class: "card" }, window),
  );

  const columns = [
    { key: "ordinal", name: "Trial", cell: (d, k) => [h("a", { href: "javascript:void 0" }, d.ordinals[k])] },
    {
      key: "outcome",
      name: "Outcome",
      cell: (d, k) => {
        const kind = OUTCOMES[d.outcomes[k]];
        return h(
          "span",
          { class: `chip ${front.has(d.ordinals[k]) ? "front" : kind === "ok" ? "" : "bad"}` },
          front.has(d.ordinals[k]) ? "efficient" : kind,
        );
      },
    },
    ...trials.metrics.map((metric) => ({
      key: metric.name,
      name: title(metric),
      cell: (d, k) => withError(d.values[metric.index]?.[k] ?? null, d.stddevs[metric.index]?.[k] ?? null),
    })),
    ...trials.parameters.map((parameter) => ({
      key: parameter.name,
      name: parameter.name,
      cell: (d, k) => {
        const value = d.parameters[parameter.index]?.[k] ?? null;
        return value === null ? "–" : parameter.choices ? parameter.choices[value] : number(value, 6);
      },
    })),
    { key: "time", name: "Recorded", cell: (d, k) => clock(d.times[k] * 1000) },
    { key: "", name: "Worker", cell: (d, k) => d.workers[k] || "–" },
    { key: "", name: "Reason", cell: (d, k) => d.reasons[k] || "" },
  ];
  columns[0].cell = (d, k) => d.ordinals[k];

  function drawHead() {
    update(
      head,
      h(
        "tr",
        {},
        columns.map((column) =>
          h(
            "th",
            {
              scope: "col",
              "aria-sort":
                wanted.sort === column.key
                  ? wanted.order === "desc"
                    ? "descending"
                    : "ascending"
                  : undefined,
            },
            column.key
              ? h(
                  "button",
                  {
                    onclick: () => {
                      wanted.order = wanted.sort === column.key && wanted.order === "asc" ? "desc" : "asc";
                      wanted.sort = column.key;
                      fresh();
                    },
                  },
                  column.name,
                  h(
                    "span",
                    { "aria-hidden": "true" },
                    wanted.sort === column.key ? (wanted.order === "desc" ? "↓" : "↑") : "",
                  ),
                )
              : column.name,
          ),
        ),
      ),
    );
  }

  async function need(index) {
    if (pages.has(index)) return;
    const mine = version;
    pages.set(index, null);
    try {
      const page_ = await get(below(page.id, "/trials"), { ...wanted, offset: index * PAGE, limit: PAGE });
      if (mine !== version) return;
      pages.set(index, page_);
      matching = page_.matching;
      table.setAttribute("aria-rowcount", matching);
      said.textContent =
        matching === page_.total
          ? plural(matching, "trial")
          : `${count(matching)} of ${plural(page_.total, "trial")}`;
      draw();
    } catch (error) {
      pages.delete(index);
      say(error.message, true);
    }
  }

  function draw() {
    const first = Math.max(0, Math.floor(window.scrollTop / ROW) - AHEAD),
      last = Math.min(matching, Math.ceil((window.scrollTop + window.clientHeight) / ROW) + AHEAD);
    above.firstChild.style.height = `${first * ROW}px`;
    beneath.firstChild.style.height = `${Math.max(0, matching - last) * ROW}px`;
    const lines = [];
    for (let index = first; index < last; index++) {
      const d = pages.get(Math.floor(index / PAGE)),
        k = index % PAGE;
      if (d === undefined) need(Math.floor(index / PAGE));
      if (!d || k >= d.ordinals.length) {
        lines.push(h("tr", {}, h("td", { colspan: columns.length, class: "faint" }, "…")));
        continue;
      }
      const open_ = () => page.openTrial(d.ordinals[k]);
      lines.push(
        h(
          "tr",
          {
            class: `link${page.selected?.has(d.ordinals[k]) ? " differs" : ""}`,
            "data-key": d.ordinals[k],
            tabindex: "0",
            "aria-rowindex": index + 1,
            onclick: open_,
            onkeydown: (event) => event.key === "Enter" && open_(),
          },
          columns.map((column) =>
            h("td", { title: column.name === "Reason" ? d.reasons[k] : undefined }, column.cell(d, k)),
          ),
        ),
      );
    }
    const inside = rows.contains(document.activeElement);
    show(
      rows,
      matching
        ? lines
        : h(
            "tr",
            {},
            h(
              "td",
              { colspan: columns.length },
              pages.get(0)
                ? empty(
                    wanted.filter || wanted.outcome ? "No trial matches" : "No trials yet",
                    h(
                      "p",
                      {},
                      wanted.filter
                        ? `A filter reads like ${trials.metrics[0].name}>0.9, or any word of a reason, worker or choice.`
                        : "They appear here as they are recorded.",
                    ),
                  )
                : "…",
            ),
          ),
    );
    // The row that had the keyboard is out of sight: from here on one may scroll and come back.
    if (inside && !rows.contains(document.activeElement)) window.focus({ preventScroll: true });
  }

  function fresh(keep = false) {
    version++;
    pages = new Map();
    if (!keep) window.scrollTop = 0;
    drawHead();
    need(Math.floor(window.scrollTop / ROW / PAGE));
  }
  const later = debounced(() => fresh(true), 400);
  page.listeners.add((what) => {
    if (what === "front") {
      front = new Set(page.front.ordinals);
      draw();
    }
    if (what === "trials") later();
  });
  fresh();
}

/** Ask for a configuration and queue it. */
export function queue(page, assignments = null) {
  const form = configurationForm(page.trials, assignments);
  const box = dialog("Queue a configuration", [
    h("p", { class: "muted" }, "The next worker that asks gets it, before anything the optimizer suggests."),
    form.element,
    h(
      "button",
      {
        class: "primary",
        onclick: async () => {
          try {
            const { suggestion } = await post(below(page.id, "/queue"), {
              assignments: form.assignments(),
              metadata: { source: "dashboard" },
              request_id: newRequestId(),
            });
            box.close();
            say(`Queued as suggestion ${suggestion.ordinal}.`);
          } catch (error) {
            form.complain(error);
          }
        },
      },
      "Queue",
    ),
  ]);
}
