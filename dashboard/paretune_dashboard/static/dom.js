// Elements without markup: text always becomes a text node, so that nothing a user wrote is ever parsed.

/** An element: attributes, listeners (onclick: f), properties (value, checked), then children. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "open", "readOnly", "indeterminate"]);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (PROPERTIES.has(name)) element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, children);
  return element;
}

function put(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

/** Replace what an element holds; the keyboard stays on what has the same place, or the same data-key, there. */
export function show(element, ...children) {
  const again = focusIn(element);
  element.replaceChildren();
  put(element, children);
  again()?.focus({ preventScroll: true });
  return element;
}

/** The same, but what looks like what is there stays there: listeners must not keep what they were made of. */
export function update(element, ...children) {
  const again = focusIn(element),
    made = document.createDocumentFragment();
  put(made, children);
  const fresh = [...made.childNodes];
  fresh.forEach((one, k) => {
    const old = element.childNodes[k];
    if (!old) element.append(one);
    else if (!old.isEqualNode(one)) old.replaceWith(one);
  });
  while (element.childNodes.length > fresh.length) element.lastChild.remove();
  again()?.focus({ preventScroll: true });
}

/** How to find the focused element again, once what `top` holds was made anew; null where nothing is lost. */
function focusIn(top) {
  const focused = document.activeElement,
    steps = [];
  if (focused === top || !top.contains(focused)) return () => null;
  let at = focused;
  for (; at !== top && !at.dataset.key; at = at.parentElement)
    steps.unshift([...at.parentElement.children].indexOf(at));
  const key = at.dataset.key;
  return () => {
    if (document.activeElement === focused) return null;
    let found =
      at === top ? top : [...top.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    for (const step of steps) found = found?.children[step];
    return found?.tagName === focused.tagName ? found : null;
  };
}

/** A remark that goes away by itself. */
export function say(text, bad = false) {
  const toast = h("div", { class: bad ? "toast bad" : "toast" }, text);
  document.getElementById("say").append(toast);
  setTimeout(() => toast.remove(), bad ? 9000 : 4500);
}

/** Call `work` at most once per `ms`, with the latest arguments, the last call included. */
export function debounced(work, ms) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => work(...given), ms);
  };
}

/** A select with [value, label] pairs. */
export function choice(label, options, value, onpick, hidden = false) {
  const select = h(
    "select",
    { "aria-label": hidden ? label : undefined, onchange: () => onpick(select.value) },
    options.map(([key, text]) => h("option", { value: key, selected: String(key) === String(value) }, text)),
  );
  return hidden ? select : h("label", { class: "field" }, label, select);
}

/** A check box with its label. */
export function check(label, checked, onpick) {
  const box = h("input", { type: "checkbox", checked, onchange: () => onpick(box.checked) });
  return h("label", { class: "check" }, box, label);
}

/** What to show when there is nothing, and what to do about it. */
export function empty(title, ...rest) {
  return h("div", { class: "empty" }, h("h2", {}, title), rest);
}

/** A failure, with a way to try again. */
export function failed(error, again) {
  return h(
    "div",
    { class: "empty", role: "alert" },
    h("h2", {}, error.title || "This could not be loaded"),
    h("p", {}, error.message),
    again && h("button", { onclick: again }, "Try again"),
  );
}

/** A dialog that closes with Escape, its button, or a click beside it; resolves nothing. */
export function dialog(title, content, kind = "") {
  const close = h("button", { class: "quiet icon", "aria-label": "Close", onclick: () => box.close() }, "✕");
  const box = h(
    "dialog",
    { class: kind, "aria-label": title },
    h("div", { class: "row between" }, h("h2", {}, title), close),
    h("div", { class: "stack" }, content),
  );
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}
