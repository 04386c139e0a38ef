/** The brush's size: a slider in equal ratios, remembered as a share of the picture. */

/** @import {Hand} from "./hand.js" */
/** @import {Session} from "./session.js" */
/** @import {Settings} from "./settings.js" */
import { box, input, memory } from "./dom.js";
import { SIZES } from "./hand.js";
import { t } from "./i18n.js";

const RATIO = SIZES.most / SIZES.least;

/** @param {Settings} settings @param {Session | null} session */
export function showSize(settings, session) {
  if (session) {
    settings.share = settings.size / Math.max(session.original.width, session.original.height);
    memory.set("size", String(settings.share));
  }
  const steps = Math.log(settings.size / SIZES.least) / Math.log(RATIO);
  input("size").value = String(Math.round(100 * steps));
  const said = t("pixels", { n: settings.size });
  box("size-out").textContent = said;
  input("size").setAttribute("aria-valuetext", said);
}

/** @param {Settings} settings @param {Hand} hand @param {() => void} changed */
export function wireSize(settings, hand, changed) {
  input("size").addEventListener("input", () => {
    settings.size = Math.round(SIZES.least * RATIO ** (Number(input("size").value) / 100));
    changed();
    hand.preview();
  });
}
