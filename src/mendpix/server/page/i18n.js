/** The page's words in the language of the reader. */

/** @import {Job} from "./types.js" */
import { memory } from "./dom.js";
import { EN } from "./strings-en.js";
import { ZH } from "./strings-zh.js";

/** @type {Record<string, Record<string, string>>} */
const LANGUAGES = { en: EN, "zh-Hans": ZH };

let current = memory.get("language", navigator.language.startsWith("zh") ? "zh-Hans" : "en");
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
export const known = (key) => key in EN;

/** What the server says in English, by its code. @param {unknown} error @returns {string} */
export function complaint(error) {
  if (error instanceof DOMException && error.name === "AbortError") return t("cancelled");
  const { code, message } = /** @type {{code?: string, message?: string}} */ (error ?? {});
  const said = message ?? String(error);
  if (!code || !known(`error_${code}`)) return said;
  return t(`error_${code}`, { message: said });
}

/** What the server remarks about masks: which words mean what. @type {[RegExp, string][]} */
const REMARKS = [
  [/the hole is tight.*--grow (\d+)/, "warnTight"],
  [/probably inverted/, "warnInverted"],
];

/** What there is to say about a job's results, each thing once. @param {Job} job */
export function warnings(job) {
  const said = job.results.flatMap((result) => result.warnings).map((warning) => {
    for (const [pattern, key] of REMARKS) {
      const found = warning.match(pattern);
      if (found) return t(key, { n: found[1] ?? "" });
    }
    return warning;
  });
  return [...new Set(said)].join(" ");
}

/** @param {string} chosen */
export function speak(chosen) {
  current = chosen;
  memory.set("language", chosen);
  translate();
}

export function translate() {
  document.documentElement.lang = current;
  for (const node of document.querySelectorAll("[data-t]")) {
    node.textContent = t(/** @type {HTMLElement} */ (node).dataset.t ?? "");
  }
  for (const node of document.querySelectorAll("[data-label], [data-name], [data-key]")) {
    label(/** @type {HTMLElement} */ (node));
  }
}

/** The name for screen readers, and as a hint with its key. @param {HTMLElement} node */
function label(node) {
  const key = node.dataset.label ?? node.dataset.name;
  const said = key ? t(key) : (node.textContent ?? "").trim();
  if (key) node.setAttribute("aria-label", said);
  if (node.dataset.name) return;
  node.title = node.dataset.key ? `${said} (${node.dataset.key})` : said;
  if (node.dataset.key) {
    const parts = node.dataset.key.replace("Esc", "Escape").replace("Ctrl", "Control").split(" ");
    node.setAttribute("aria-keyshortcuts", parts.join("+").replace("++", "+Plus"));
  }
}
