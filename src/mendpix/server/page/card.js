/** The card of a filler: what data, which licence, which recipe, which scores. */

/** @import {Model} from "./types.js" */
import * as api from "./api.js";
import { find, make } from "./dom.js";
import { complaint, known, t } from "./i18n.js";
import { about } from "./settings.js";

/** @typedef {Record<string, any>} Card */

/** What matters first, by its name: a text, or nothing where the card does not say. */
/** @type {[string, (card: Card) => string | undefined][]} */
const FACTS = [
  ["cardNetwork", ({ network }) => network],
  ["cardLicence", ({ licence }) => licence],
  ["cardData", (card) => pictures(card.data)],
  ["cardPictureLicences", ({ data }) => counts(data?.licences)],
  ["cardRecipe", (card) => recipe(card)],
  ["cardLosses", ({ recipe: of }) => losses(of?.losses)],
  ["cardFrom", ({ recipe: of }) => of?.from_weights],
  ["cardScores", ({ validation }) => scores(validation)],
  ["cardSource", ({ source }) => source],
  ["cardNote", ({ data }) => data?.share_alike],
];

const SCORES = ["lpips", "psnr", "ssim", "hole_l1", "mean_colour_l1"];

/** @param {Model} model */
export async function show(model) {
  const dialog = find("card-dialog", HTMLDialogElement);
  const body = find("card-body", HTMLElement);
  find("card-title", HTMLElement).textContent = model.name;
  body.replaceChildren(make("p", {}, about(model)));
  dialog.showModal();
  try {
    const { card } = await api.model(model.name);
    if (card && Object.keys(card).length) body.append(...told(card));
    else body.append(make("p", { className: "small" }, t("noCard")));
  } catch (error) {
    body.append(make("p", {}, complaint(error)));
  }
}

/** @param {Card} card @returns {HTMLElement[]} */
function told(card) {
  const facts = make("dl", { className: "facts" });
  for (const [name, read] of FACTS) {
    const value = read(card);
    if (value) facts.append(make("dt", {}, t(name)), make("dd", {}, value));
  }
  const { files, ...data } = plain(card.data);
  const rest = files ? { ...card, data } : card;
  const folded = [folder(t("cardAll"), () => listed(rest))];
  const all = Object.entries(files ?? {});
  if (all.length) folded.push(folder(t("cardEach", { n: all.length }), () => each(all)));
  return [facts, ...folded];
}

/** @param {any} value @returns {Card} itself, if it is a table */
const plain = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};

/** What is only made when it is unfolded. @param {string} title @param {() => Node} content */
function folder(title, content) {
  const details = make("details", {}, make("summary", {}, title));
  details.addEventListener("toggle", () => details.append(content()), { once: true });
  return details;
}

/** @param {any} data @returns {string | undefined} */
function pictures(data) {
  if (typeof data === "string") return data;
  if (Array.isArray(data)) return data.join("; ");
  const { folder: name = "", files = {}, held_out: apart = 0 } = plain(data);
  const n = Object.keys(files).length;
  return n ? t("cardPictures", { n, name, apart }) : name;
}

/** @param {any} licences @returns {string} */
const counts = (licences) =>
  Object.entries(plain(licences)).map(([name, n]) => `${name} (${n})`).join(", ");

/** @param {Card} card @returns {string | undefined} */
function recipe({ recipe: of, steps }) {
  if (!of) return undefined;
  const { size, batch, optimiser } = of;
  return t("cardSteps", { steps: steps ?? of.steps, size, batch, optimiser: optimiser?.kind ?? "" });
}

/** @param {any} terms @returns {string} */
const losses = (terms) =>
  Object.entries(plain(terms)).map(([name, { weight }]) => `${weight} × ${name}`).join(" + ");

/** @param {any} validation @returns {string} */
function scores(validation) {
  const found = Object.entries(plain(validation));
  const place = (/** @type {string} */ name) => SCORES.indexOf(name) + 1 || SCORES.length + 1;
  return found
    .sort(([a], [b]) => place(a) - place(b))
    .map(([name, value]) => {
      const said = known(`score_${name}`) ? t(`score_${name}`) : name.replaceAll("_", " ");
      return `${said} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`;
    })
    .join(", ");
}

/** @param {[string, any][]} files @returns {HTMLElement} */
function each(files) {
  const rows = files.map(([name, { licence, attribution }]) =>
    make("li", {}, make("span", {}, name), [attribution, licence].filter(Boolean).join(" · ")),
  );
  return make("ul", { className: "entries small" }, ...rows);
}

/** @param {Card} card @returns {HTMLElement} */
function listed(card) {
  const list = make("dl", { className: "facts" });
  for (const [name, value] of Object.entries(card)) {
    if (value === null || value === "") continue;
    list.append(make("dt", {}, name.replaceAll("_", " ")), make("dd", {}, deep(value)));
  }
  return list;
}

/** @param {any} value @returns {Node | string} */
function deep(value) {
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object")) return value.join(", ");
    return make("div", {}, ...value.map(deep));
  }
  return typeof value === "object" ? listed(value) : String(value);
}
