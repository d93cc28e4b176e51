import { empty, show } from "../dom.js"; export function open(body) { show(body, empty("Being built")); }
