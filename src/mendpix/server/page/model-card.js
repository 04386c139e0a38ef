/** The dialog that shows a model's card: training data, licence, recipe, scores. */

/** @import {Model} from "./types.js" */
import * as api from "./api.js";
import { createElement, find } from "./dom.js";
import { describeError, describeModel, hasText, t } from "./i18n.js";

/** @typedef {Record<string, any>} Card */

/** The facts shown first: the label's key, and a function that formats the value. */
/** @type {[string, (card: Card) => string | undefined][]} */
const FACTS = [
  ["cardNetwork", ({ network }) => network],
  ["cardLicence", ({ licence }) => licence],
  ["cardData", (card) => describeData(card.data)],
  ["cardPictureLicences", ({ data }) => countLicences(data?.licences)],
  ["cardRecipe", (card) => describeRecipe(card)],
  ["cardLosses", ({ recipe: of }) => describeLosses(of?.losses)],
  ["cardFrom", ({ recipe: of }) => of?.from_weights],
  ["cardScores", ({ validation }) => describeScores(validation)],
  ["cardSource", ({ source }) => source],
  ["cardNote", ({ data }) => data?.share_alike],
];

const SCORES = ["lpips", "psnr", "ssim", "hole_l1", "mean_colour_l1"];

/** @param {Model} model */
export async function showCard(model) {
  const dialog = find("card-dialog", HTMLDialogElement);
  const body = find("card-body", HTMLElement);
  find("card-title", HTMLElement).textContent = model.name;
  body.replaceChildren(createElement("p", {}, describeModel(model)));
  dialog.showModal();
  try {
    const { card } = await api.getModel(model.name);
    if (card && Object.keys(card).length) body.append(...describeCard(card));
    else body.append(createElement("p", { className: "small" }, t("noCard")));
  } catch (error) {
    body.append(createElement("p", {}, describeError(error)));
  }
}

/** @param {Card} card @returns {HTMLElement[]} */
function describeCard(card) {
  const facts = createElement("dl", { className: "facts" });
  for (const [name, read] of FACTS) {
    const value = read(card);
    if (value) facts.append(createElement("dt", {}, t(name)), createElement("dd", {}, value));
  }
  const { files, ...data } = asTable(card.data);
  const rest = files ? { ...card, data } : card;
  const folded = [makeDetails(t("cardAll"), () => makeTable(rest))];
  const all = Object.entries(files ?? {});
  if (all.length) folded.push(makeDetails(t("cardEach", { n: all.length }), () => listPictures(all)));
  return [facts, ...folded];
}

/** @param {any} value @returns {Card} the value if it is an object, else {} */
const asTable = (value) =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value : {};

/** Details whose content is made when they are first opened. @param {string} title @param {() => Node} content */
function makeDetails(title, content) {
  const details = createElement("details", {}, createElement("summary", {}, title));
  details.addEventListener("toggle", () => details.append(content()), { once: true });
  return details;
}

/** @param {any} data @returns {string | undefined} */
function describeData(data) {
  if (typeof data === "string") return data;
  if (Array.isArray(data)) return data.join("; ");
  const { folder: name = "", files = {}, held_out: apart = 0 } = asTable(data);
  const n = Object.keys(files).length;
  return n ? t("cardPictures", { n, name, apart }) : name;
}

/** @param {any} licences @returns {string} */
const countLicences = (licences) =>
  Object.entries(asTable(licences)).map(([name, n]) => `${name} (${n})`).join(", ");

/** @param {Card} card @returns {string | undefined} */
function describeRecipe({ recipe: of, steps }) {
  if (!of) return undefined;
  const { size, batch, optimiser } = of;
  return t("cardSteps", { steps: steps ?? of.steps, size, batch, optimiser: optimiser?.kind ?? "" });
}

/** @param {any} terms @returns {string} */
const describeLosses = (terms) =>
  Object.entries(asTable(terms)).map(([name, { weight }]) => `${weight} × ${name}`).join(" + ");

/** @param {any} validation @returns {string} */
function describeScores(validation) {
  const found = Object.entries(asTable(validation));
  const place = (/** @type {string} */ name) => SCORES.indexOf(name) + 1 || SCORES.length + 1;
  return found
    .sort(([a], [b]) => place(a) - place(b))
    .map(([name, value]) => {
      const said = hasText(`score_${name}`) ? t(`score_${name}`) : name.replaceAll("_", " ");
      return `${said} ${typeof value === "number" ? Number(value.toPrecision(4)) : value}`;
    })
    .join(", ");
}

/** @param {[string, any][]} files @returns {HTMLElement} */
function listPictures(files) {
  const rows = files.map(([name, { licence, attribution }]) =>
    createElement("li", {}, createElement("span", {}, name), [attribution, licence].filter(Boolean).join(" · ")),
  );
  return createElement("ul", { className: "entries small" }, ...rows);
}

/** @param {Card} card @returns {HTMLElement} */
function makeTable(card) {
  const list = createElement("dl", { className: "facts" });
  for (const [name, value] of Object.entries(card)) {
    if (value === null || value === "") continue;
    list.append(createElement("dt", {}, name.replaceAll("_", " ")), createElement("dd", {}, renderValue(value)));
  }
  return list;
}

/** @param {any} value @returns {Node | string} */
function renderValue(value) {
  if (Array.isArray(value)) {
    if (value.every((one) => typeof one !== "object")) return value.join(", ");
    return createElement("div", {}, ...value.map(renderValue));
  }
  return typeof value === "object" ? makeTable(value) : String(value);
}
