/** The page around the picture: colours, short messages, and pictures dropped or pasted. */

import { box, memory } from "./dom.js";

const THEMES = ["auto", "light", "dark"];

/** @param {string} [theme] */
export function setTheme(theme = memory.get("theme", "auto")) {
  document.documentElement.dataset.theme = theme;
  memory.set("theme", theme);
}

/** @returns {string} the next one, which is now set */
export function nextTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  const next = THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
  setTheme(next);
  return next;
}

let timer = 0;

/** @param {string} text a message that goes away by itself */
export function toast(text) {
  const place = box("toast");
  place.textContent = text;
  place.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => (place.hidden = true), Math.max(4000, text.length * 80));
}

/** @param {(file: File) => void} take */
export function arriving(take) {
  const sign = box("dropping");
  const carries = (/** @type {DragEvent} */ event) =>
    event.dataTransfer?.types.includes("Files") ?? false;
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    sign.hidden = !carries(event);
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) sign.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    sign.hidden = true;
    const file = event.dataTransfer?.files[0];
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (file) take(file);
  });
}

/** Dialogs close by their button, or by a click beside them. */
export function closable() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close")?.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
}
