/** Colours and language, chosen in the bar on top, or in the panel where the bar is short. */

import { box, button, find, memory } from "./dom.js";
import { language, speak, t, translate } from "./i18n.js";
import { toast } from "./page.js";

const THEMES = ["auto", "light", "dark"];
const SHORT = "(max-width: 760px), (max-width: 1000px) and (max-height: 480px)"; // as in phone.css

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  memory.set("theme", theme);
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  toast(t("themeIs", { which: t(next) }));
}

/** Where the choices are: an open picture's buttons need a phone's whole bar. */
export function settle() {
  const open = document.body.classList.contains("open");
  const place = open && matchMedia(SHORT).matches ? box("looks-panel") : box("looks-top");
  if (!place.contains(box("looks"))) place.append(box("looks"));
}

/** @param {() => void} changed called when the language is another one */
export function looks(changed) {
  setTheme(memory.get("theme", "auto"));
  button("theme").addEventListener("click", nextTheme);
  const list = find("language", HTMLSelectElement);
  list.value = language();
  list.addEventListener("change", () => {
    speak(list.value);
    changed();
  });
  translate();
  matchMedia(SHORT).addEventListener("change", settle);
  settle();
}
