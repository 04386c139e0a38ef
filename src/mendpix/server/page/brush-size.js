/** The brush size: a logarithmic slider; remembered relative to the picture's size. */

/** @import {PointerInput} from "./pointer.js" */
/** @import {Session} from "./session.js" */
/** @import {FillSettings} from "./fill-settings.js" */
import { byId, input, storage } from "./dom.js";
import { BRUSH_SIZES } from "./pointer.js";
import { t } from "./i18n.js";

const RATIO = BRUSH_SIZES.max / BRUSH_SIZES.min;

/** @param {FillSettings} settings @param {Session | null} session */
export function showBrushSize(settings, session) {
  if (session) {
    settings.share = settings.size / Math.max(session.original.width, session.original.height);
    storage.set("size", String(settings.share));
  }
  const steps = Math.log(settings.size / BRUSH_SIZES.min) / Math.log(RATIO);
  input("size").value = String(Math.round(100 * steps));
  const text = t("pixels", { n: settings.size });
  byId("size-out").textContent = text;
  input("size").setAttribute("aria-valuetext", text);
}

/** @param {FillSettings} settings @param {PointerInput} pointer @param {() => void} onChange */
export function listenToSlider(settings, pointer, onChange) {
  input("size").addEventListener("input", () => {
    settings.size = Math.round(BRUSH_SIZES.min * RATIO ** (Number(input("size").value) / 100));
    onChange();
    pointer.previewSize();
  });
}
