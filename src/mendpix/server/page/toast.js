/** Short messages that disappear by themselves. */

import { byId } from "./dom.js";

let timer = 0;

/** @param {string} text */
export function toast(text) {
  const place = byId("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (place.hidden = true), Math.max(4000, text.length * 80));
}
