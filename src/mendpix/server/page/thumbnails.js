/** Strips of thumbnails: tries side by side, and the history of fills. */

/** @import {Result} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { byId, createElement } from "./dom.js";
import { t } from "./i18n.js";

/** @param {Session} session */
export function showTries(session) {
  const { tries, picture } = session.now;
  const bar = byId("tries");
  const list = byId("tries-list");
  bar.hidden = !tries || session.now.ops.length > 0;
  if (!tries || bar.hidden) return;
  const focused = list.contains(document.activeElement);
  list.hidden = tries.results.length < 2;
  list.replaceChildren(...tries.results.map((result, i) => makeTry(session, result, i)));
  const chosen = tries.results.findIndex((result) => result.picture.id === picture.id);
  const cards = /** @type {HTMLElement[]} */ ([...list.children]);
  cards.forEach((one, i) => {
    one.setAttribute("aria-checked", String(i === chosen));
    one.tabIndex = i === chosen ? 0 : -1;
  });
  if (focused) cards[chosen]?.focus();
}

/**
 * @param {Session} session
 * @param {Result} result
 * @param {number} i
 * @returns {HTMLElement}
 */
function makeTry(session, result, i) {
  const name = t("tryNumber", { n: i + 1, seed: result.seed });
  const image = createElement("img", { src: cropUrl(result), alt: "" });
  const button = createElement("button", { role: "radio", className: "try", title: name }, image);
  button.setAttribute("aria-label", name);
  button.addEventListener("click", () => session.choose(result));
  button.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[event.key];
    const results = session.now.tries?.results ?? [];
    if (!step) return;
    event.preventDefault();
    event.stopPropagation();
    session.choose(results[(i + step + results.length) % results.length]);
  });
  return button;
}

/** The hole with some of its surroundings. @param {Result} result @returns {string} */
function cropUrl({ picture, hole }) {
  const [left, top, width, height] = hole ?? [0, 0, picture.width, picture.height];
  const side = Math.max(96, 1.5 * Math.max(width, height));
  const level = Math.max(0, Math.floor(Math.log2(side / 240)));
  const fit = (/** @type {number} */ middle, /** @type {number} */ whole) =>
    Math.round(Math.max(0, Math.min(whole - side, middle - side / 2)));
  const x = fit(left + width / 2, picture.width);
  const y = fit(top + height / 2, picture.height);
  const region = [x, y, Math.round(side), Math.round(side)];
  return api.regionUrl(picture.id, region, level, "webp");
}

/** @param {Session} session */
export function showHistory(session) {
  const { history } = session;
  const places = history.fills();
  const list = byId("history");
  const here = places.findLast((index) => index <= history.index);
  const focused = list.contains(document.activeElement) ? document.activeElement : null;
  const which = focused ? [...list.querySelectorAll("button")].indexOf(/** @type {any} */ (focused)) : -1;
  list.replaceChildren(
    ...places.map((index, n) => {
      const { picture } = history.all[index];
      const name = n ? t("fillNumber", { n }) : t("original");
      const image = createElement("img", { src: `${api.previewUrl(picture.id, 160)}&format=webp`, alt: "" });
      const button = createElement("button", { className: "state", title: name }, image, name);
      if (index === here) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => session.go(index));
      return createElement("li", {}, button);
    }),
  );
  if (which >= 0) list.querySelectorAll("button")[which]?.focus();
}
