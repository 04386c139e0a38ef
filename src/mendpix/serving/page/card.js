/** The card of a filler: what data, which licence, which recipe, which scores. */

/** @import {Model} from "./types.js" */
import * as api from "./api.js";
import { find, make } from "./dom.js";
import { complaint, t } from "./i18n.js";
import { about } from "./settings.js";

/** @param {Model} model */
export async function show(model) {
  const dialog = find("card-dialog", HTMLDialogElement);
  const body = find("card-body", HTMLElement);
  find("card-title", HTMLElement).textContent = model.name;
  body.replaceChildren(make("p", {}, about(model)));
  dialog.showModal();
  try {
    const { card } = await api.model(model.name);
    if (card && Object.keys(card).length) body.append(listed(card));
    else body.append(make("p", { className: "small" }, t("noCard")));
  } catch (error) {
    body.append(make("p", {}, complaint(error)));
  }
}

/** @param {Record<string, any>} card @returns {HTMLElement} */
function listed(card) {
  const list = make("dl", { className: "facts" });
  for (const [name, value] of Object.entries(card)) {
    if (value === null || value === "") continue;
    list.append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, told(value)));
  }
  return list;
}

/** @param {any} value @returns {Node | string} */
function told(value) {
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object")) return value.join(", ");
    return make("div", {}, ...value.map(told));
  }
  return typeof value === "object" ? listed(value) : String(value);
}
