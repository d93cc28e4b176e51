import { empty, show } from "../dom.js"; export function open(main) { show(main, empty("Being built")); }
