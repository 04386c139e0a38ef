/** Loading, saving and growing the mask, and finding specks. */

/** @import {Picture, Tiles} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import * as dom from "./dom.js";
import { t } from "./i18n.js";
import { dilate, readTiles } from "./mask-pixels.js";
import { encodePng } from "./png.js";

/**
 * Load a mask from a file.
 *
 * @param {Session} session
 * @param {File} file
 * @param {api.RetryOptions} retry
 */
export async function loadMask(session, file, retry) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  const mask = bitmap ?? (await api.uploadPicture(file, file.name, retry));
  const { width, height } = session.original;
  if (mask.width !== width || mask.height !== height) {
    const [a, b] = [`${mask.width} × ${mask.height}`, `${width} × ${height}`];
    throw new Error(t("maskSize", { a, b }));
  }
  const tiles = "id" in mask ? await fetchTiles(mask) : await readTiles(mask, width, height);
  session.add({ kind: "tiles", tiles, only: false, from: "file" });
}

/** Fetch a mask whose format only the server can read, as tiles. @param {Picture} mask @returns {Promise<Tiles>} */
async function fetchTiles(mask) {
  const side = 1536; // three tiles
  /** @type {Tiles} */
  const all = new Map();
  const across = Math.ceil(mask.width / 512);
  for (let top = 0; top < mask.height; top += side) {
    for (let left = 0; left < mask.width; left += side) {
      const url = api.regionUrl(mask.id, [left, top, side, side], 0, "png");
      const part = await createImageBitmap(await api.fetchBlob(url));
      for (const [key, tile] of await readTiles(part, part.width, part.height)) {
        const wide = Math.ceil(part.width / 512);
        const column = left / 512 + (key % wide);
        all.set((top / 512 + Math.floor(key / wide)) * across + column, tile);
      }
    }
  }
  return all;
}

/**
 * Mark specks and scratches; replaces the marks of a search just before.
 *
 * @param {Session} session
 * @param {number} sensitivity
 * @param {api.RetryOptions} retry
 * @returns {Promise<number>} how many
 */
export async function markSpecks(session, sensitivity, retry) {
  const { mask, count } = await api.findScratches(session.now.picture.id, sensitivity, retry);
  const { width, height } = session.original;
  const tiles = await readTiles(await createImageBitmap(mask), width, height);
  const last = session.now.ops.at(-1);
  /** @type {import("./types.js").Bitmap} */
  const op = { kind: "tiles", tiles, only: false, from: "specks" };
  if (last?.kind === "tiles" && last.from === "specks") session.replace(op);
  else if (count) session.add(op);
  return count;
}

/** @param {Session} session @param {number} pixels */
export function growMask(session, pixels) {
  const tiles = dilate(session.mask(), pixels);
  session.add({ kind: "tiles", tiles, only: true, from: "grow" });
}

/** Download the mask, white = marked. @param {Session} session */
export async function saveMask(session) {
  const url = URL.createObjectURL(await encodePng(session.mask()));
  dom.download(url, `${session.original.name.replace(/\.[^.]*$/, "")}-mask.png`);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
