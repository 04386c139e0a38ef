/** The page around the picture: short messages, dialogs, and pictures dropped or pasted. */

import { box, button } from "./dom.js";

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

/** A phone's panel. @param {boolean} [wanted] */
export function togglePanel(wanted) {
  const opened = document.body.classList.toggle("panel-open", wanted);
  button("panel-toggle").setAttribute("aria-expanded", String(opened));
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
