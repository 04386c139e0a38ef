/** The toolbar: one button per tool. */

import { byId, createElement, icon } from "./dom.js";
import { TOOLS } from "./tools.js";

/** @param {(name: string) => void} choose */
export function makeToolbar(choose) {
  const bar = byId("tools");
  for (const [name, { key }] of Object.entries(TOOLS)) {
    const button = createElement("button", { id: `tool-${name}`, "aria-pressed": "false" }, icon(name));
    button.dataset.label = name;
    button.dataset.key = key.toUpperCase();
    button.addEventListener("click", () => choose(name));
    bar.append(button);
  }
}
