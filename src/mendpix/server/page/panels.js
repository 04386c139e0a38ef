/** The settings panel of small screens, and closing dialogs. */

import { button } from "./dom.js";

/** Open or close the panel on a small screen. @param {boolean} [open] */
export function togglePanel(open) {
  const opened = document.body.classList.toggle("panel-open", open);
  button("panel-toggle").setAttribute("aria-expanded", String(opened));
}

/** Close each dialog by its button, or by a click outside it. */
export function makeDialogsClosable() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector(".close")?.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
}
