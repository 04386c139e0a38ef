/** Theme and language; their controls move from the top bar to the panel on small screens. */

import { button, byId, find, storage } from "./dom.js";
import { language, setLanguage, t, translate } from "./i18n.js";
import { toast } from "./toast.js";

const THEMES = ["auto", "light", "dark"];
const SMALL_SCREEN = "(max-width: 760px), (max-width: 1000px) and (max-height: 480px)"; // as in phone.css

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  storage.set("theme", theme);
}

function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  toast(t("themeIs", { which: t(next) }));
}

/** Move the controls: with an open picture, a phone's bar has no room for them. */
export function placePreferences() {
  const open = document.body.classList.contains("open");
  const place = open && matchMedia(SMALL_SCREEN).matches ? byId("preferences-panel") : byId("preferences-top");
  if (!place.contains(byId("preferences"))) place.append(byId("preferences"));
}

/** @param {() => void} onLanguage called after a change of language */
export function initPreferences(onLanguage) {
  setTheme(storage.get("theme", "auto"));
  button("theme").addEventListener("click", nextTheme);
  const list = find("language", HTMLSelectElement);
  list.value = language();
  list.addEventListener("change", () => {
    setLanguage(list.value);
    onLanguage();
  });
  translate();
  matchMedia(SMALL_SCREEN).addEventListener("change", placePreferences);
  placePreferences();
}
