// Talking to the gateway: JSON in, JSON out, errors with a sentence, and live events.

let session = { csrf: "", shared: "", login_required: false };

export class Failure extends Error {
  constructor(status, document) {
    super(document?.error?.message || `The dashboard answered ${status}.`);
    this.status = status;
    this.code = document?.error?.code || "";
    this.reason = document?.error?.reason || "";
    this.violations = document?.error?.violations || [];
  }
}

/** The session of this browser; asked for once, and again after logging in or out. */
export async function openSession() {
  session = await get("/session");
  return session;
}

export const currentSession = () => session;
export const readOnly = () => Boolean(session.shared);

export const get = (path, query) => request("GET", path, query);
/** What is there as text, such as YAML. */
export const getText = (path) => request("GET", path, undefined, undefined, "text");
export const post = (path, body = {}) => request("POST", path, undefined, body);
export const patch = (path, body = {}) => request("PATCH", path, undefined, body);
export const remove = (path) => request("DELETE", path);

/** Log in with a token; the page knows the new session when this returns. */
export async function logIn(token) {
  session = await post("/session", { token });
  return session;
}

export async function logOut() {
  await remove("/session");
  await openSession();
}

export function address(path, query = {}) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== "") parts.append(name, one);
    }
  }
  const text = parts.toString();
  return `/api/v1${path}${text ? `?${text}` : ""}`;
}

async function request(method, path, query, body, kind = "json") {
  const headers = {};
  if (method !== "GET")
    Object.assign(headers, { "Content-Type": "application/json", "X-CSRF-Token": session.csrf });
  let reply;
  try {
    reply = await fetch(address(path, query), {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "same-origin",
    });
  } catch {
    throw new Failure(0, {
      error: { message: "The dashboard does not answer. Is `paretune up` still running?" },
    });
  }
  let document = null;
  try {
    document = await reply[reply.ok ? kind : "json"]();
  } catch {
    /* not JSON: the status says enough */
  }
  if (!reply.ok) {
    if (reply.status === 401 && path !== "/session") window.dispatchEvent(new Event("logged-out"));
    throw new Failure(reply.status, document);
  }
  return document;
}

/** Live events of an experiment until `close()`; the browser connects again by itself. */
export function follow(experiment, rows, { message, error, state }) {
  let source,
    known = rows,
    closed = false,
    timer = 0;
  const open = () => {
    source = new EventSource(address(`/experiments/${encodeURIComponent(experiment)}/live`, { rows: known }));
    source.onopen = () => state(true);
    source.onmessage = (event) => {
      const data = JSON.parse(event.data);
      known = data.rows.total;
      message(data);
    };
    source.addEventListener("error", (event) => {
      if (event.data) error(new Failure(0, JSON.parse(event.data)));
      state(false);
      source.close();
      clearTimeout(timer);
      // Not the browser's own retry: it would ask for the rows of the beginning again.
      if (!closed && !event.data) timer = setTimeout(open, 1500);
    });
  };
  open();
  return {
    close() {
      closed = true;
      clearTimeout(timer);
      source.close();
    },
  };
}

/** A path below an experiment. */
export const below = (id, rest = "") => `/experiments/${encodeURIComponent(id)}${rest}`;
export const newRequestId = () =>
  crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
