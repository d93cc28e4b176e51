// The OpenAPI document for people.

import { h, show } from "./dom.js";

const main = document.getElementById("main");
const document_ = await (await fetch("/api/v1/openapi.json")).json();
const shape = (schema, depth = 0) => {
  if (!schema) return "";
  if (schema.$ref) {
    const name = schema.$ref.split("/").pop();
    return h("a", { href: `#${name}` }, name);
  }
  if (schema.type === "array") return ["list of ", shape(schema.items, depth + 1)];
  if (schema.additionalProperties) return ["map of ", shape(schema.additionalProperties, depth + 1)];
  if (schema.enum) return h("span", { class: "small" }, schema.enum.join(" · "));
  return schema.format || schema.type;
};
const rows = (entries) =>
  entries.length > 0 &&
  h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h(
        "tbody",
        {},
        entries.map(([name, schema, text]) =>
          h(
            "tr",
            {},
            h("td", {}, h("code", {}, name)),
            h("td", {}, shape(schema)),
            h("td", { class: "small muted" }, text || ""),
          ),
        ),
      ),
    ),
  );
show(
  main,
  h(
    "div",
    { class: "stack" },
    h("h1", {}, "REST interface"),
    h(
      "p",
      { class: "muted" },
      document_.info.description,
      " ",
      h("a", { href: "/api/v1/openapi.json" }, "OpenAPI document"),
    ),
    Object.entries(document_.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) =>
        h(
          "details",
          { class: "card" },
          h(
            "summary",
            {},
            h("code", {}, h("strong", {}, method.toUpperCase()), ` ${path}`),
            h("span", { class: "muted small" }, `  ${operation.summary}`),
          ),
          h(
            "div",
            { class: "stack tight" },
            h("p", { class: "small" }, operation.description),
            rows(operation.parameters.map((one) => [one.name, one.schema, one.description])),
            operation.requestBody &&
              h(
                "p",
                { class: "small" },
                "Body: ",
                shape(Object.values(operation.requestBody.content)[0].schema),
              ),
            h(
              "p",
              { class: "small" },
              "Reply: ",
              shape(Object.values(operation.responses["200"].content)[0].schema),
            ),
          ),
        ),
      ),
    ),
    h("h2", {}, "Messages"),
    Object.entries(document_.components.schemas).map(([name, schema]) =>
      h(
        "section",
        { class: "card", id: name },
        h("h3", {}, name),
        h("p", { class: "small muted" }, schema.description || ""),
        rows(Object.entries(schema.properties || {}).map(([field, one]) => [field, one, one.description])),
      ),
    ),
  ),
);
