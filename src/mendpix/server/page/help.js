/** The dialog that lists keys and gestures. */

import { createElement, find } from "./dom.js";
import { t } from "./i18n.js";

const ROWS = [
  ["tools", "B E R L G T X N H"],
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

export function showHelp() {
  const list = createElement("dl", { className: "keys" });
  for (const [name, keys] of ROWS) {
    const text = keys.startsWith("*") ? t(`key_${keys.slice(1)}`) : keys;
    list.append(createElement("dt", {}, t(`help_${name}`)), createElement("dd", {}, text));
  }
  find("help-body", HTMLElement).replaceChildren(list);
  find("help-dialog", HTMLDialogElement).showModal();
}
