/** Translated texts, and descriptions of errors, warnings and models. */

/** @import {Job, Model} from "./types.js" */
import { storage } from "./dom.js";
import { EN } from "./strings-en.js";
import { ZH } from "./strings-zh.js";

/** @type {Record<string, Record<string, string>>} */
const LANGUAGES = { en: EN, "zh-Hans": ZH };

let current = storage.get("language", navigator.language.startsWith("zh") ? "zh-Hans" : "en");
if (!(current in LANGUAGES)) current = "en";

export const language = () => current;

/**
 * @param {string} key
 * @param {Record<string, string | number>} [values] for the {names} in it
 * @returns {string}
 */
export function t(key, values = {}) {
  const text = LANGUAGES[current][key] ?? EN[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {string} key @returns {boolean} */
export const hasText = (key) => key in EN;

/** Translate an error by its code. @param {unknown} error @returns {string} */
export function describeError(error) {
  if (error instanceof DOMException && error.name === "AbortError") return t("cancelled");
  const { code, message } = /** @type {{code?: string, message?: string}} */ (error ?? {});
  const text = message ?? String(error);
  if (!code || !hasText(`error_${code}`)) return text;
  return t(`error_${code}`, { message: text });
}

/** What a model does, and its licence. @param {Model} model @returns {string} */
export function describeModel(model) {
  const key = `about_${model.name}`;
  const words = hasText(key) ? t(key) : model.about;
  return model.licence ? `${words} (${t("licence")}: ${model.licence})` : words;
}

/** Warnings of the server that have a translation. @type {[RegExp, string][]} */
const WARNINGS = [
  [/the hole is tight/, "warnTight"],
  [/probably inverted/, "warnInverted"],
];

/** The warnings of a job's results, without repetitions. @param {Job} job */
export function describeWarnings(job) {
  const text = job.results.flatMap((result) => result.warnings).map((warning) => {
    for (const [pattern, key] of WARNINGS) {
      const match = warning.match(pattern);
      if (match) return t(key, { n: match[1] ?? "" });
    }
    return warning;
  });
  return [...new Set(text)].join(" ");
}

/** @param {string} chosen */
export function setLanguage(chosen) {
  current = chosen;
  storage.set("language", chosen);
  translate();
}

export function translate() {
  document.documentElement.lang = current;
  for (const node of document.querySelectorAll("[data-t]")) {
    node.textContent = t(/** @type {HTMLElement} */ (node).dataset.t ?? "");
  }
  for (const node of document.querySelectorAll("[data-label], [data-name], [data-key]")) {
    labelElement(/** @type {HTMLElement} */ (node));
  }
}

/** Set the accessible name, and the tooltip with its key. @param {HTMLElement} node */
function labelElement(node) {
  const key = node.dataset.label ?? node.dataset.name;
  const text = key ? t(key) : (node.textContent ?? "").trim();
  if (key) node.setAttribute("aria-label", text);
  if (node.dataset.name) return;
  node.title = node.dataset.key ? `${text} (${node.dataset.key})` : text;
  if (node.dataset.key) {
    const parts = node.dataset.key.replace("Esc", "Escape").replace("Ctrl", "Control").split(" ");
    node.setAttribute("aria-keyshortcuts", parts.join("+").replace("++", "+Plus"));
  }
}
