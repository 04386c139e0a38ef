/** The tools' buttons, and the list of keys. */

import { box, find, icon, make } from "./dom.js";
import { t } from "./i18n.js";
import { TOOLS } from "./tools.js";

const ROWS = [
  ["tools", "B E R L G H"],
  ["paint", "*left"],
  ["erase", "*right"],
  ["pan", "*pan"],
  ["zoom", "*zoom"],
  ["size", "*size"],
  ["cross", "*cross"],
  ["compare", "C S"],
  ["undo", "Ctrl Z, Ctrl Shift Z"],
  ["fill", "F, Esc"],
  ["mask", "I, Delete"],
  ["file", "Ctrl O, Ctrl S"],
];

export function help() {
  const list = make("dl", { className: "keys" });
  for (const [name, keys] of ROWS) {
    const said = keys.startsWith("*") ? t(`key_${keys.slice(1)}`) : keys;
    list.append(make("dt", {}, t(`help_${name}`)), make("dd", {}, said));
  }
  find("help-body", HTMLElement).replaceChildren(list);
  find("help-dialog", HTMLDialogElement).showModal();
}

/** @param {(name: string) => void} choose */
export function toolbar(choose) {
  const bar = box("tools");
  for (const [name, { key }] of Object.entries(TOOLS)) {
    const button = make("button", { id: `tool-${name}`, "aria-pressed": "false" }, icon(name));
    button.dataset.label = name;
    button.dataset.key = key.toUpperCase();
    button.addEventListener("click", () => choose(name));
    bar.append(button);
  }
}
