/** Masks from files and from the search for specks. */

/** @import {Picture, Tiles} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import * as dom from "./dom.js";
import { t } from "./i18n.js";
import { grown, tilesOf } from "./mask.js";
import { encode } from "./png.js";

/**
 * Mark what a mask file marks.
 *
 * @param {Session} session
 * @param {File} file
 * @param {api.Patience} patience
 */
export async function load(session, file, patience) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  const mask = bitmap ?? (await api.upload(file, file.name, patience));
  const { width, height } = session.original;
  if (mask.width !== width || mask.height !== height) {
    const [a, b] = [`${mask.width} × ${mask.height}`, `${width} × ${height}`];
    throw new Error(t("maskSize", { a, b }));
  }
  const tiles = "id" in mask ? await fetched(mask) : await tilesOf(mask, width, height);
  session.add({ kind: "tiles", tiles, only: false, from: "file" });
}

/** A mask that only the server can read. @param {Picture} mask @returns {Promise<Tiles>} */
async function fetched(mask) {
  const side = 1536; // three tiles
  /** @type {Tiles} */
  const all = new Map();
  const across = Math.ceil(mask.width / 512);
  for (let top = 0; top < mask.height; top += side) {
    for (let left = 0; left < mask.width; left += side) {
      const url = api.regionUrl(mask.id, [left, top, side, side], 0, "png");
      const part = await createImageBitmap(await api.bytes(url));
      for (const [key, tile] of await tilesOf(part, part.width, part.height)) {
        const wide = Math.ceil(part.width / 512);
        const column = left / 512 + (key % wide);
        all.set((top / 512 + Math.floor(key / wide)) * across + column, tile);
      }
    }
  }
  return all;
}

/**
 * Mark specks and scratches; what an earlier search marked is replaced while nothing came after.
 *
 * @param {Session} session
 * @param {number} sensitivity
 * @param {api.Patience} patience
 * @returns {Promise<number>} how many
 */
export async function specks(session, sensitivity, patience) {
  const { mask, count } = await api.scratches(session.now.picture.id, sensitivity, patience);
  const { width, height } = session.original;
  const tiles = await tilesOf(await createImageBitmap(mask), width, height);
  const last = session.now.ops.at(-1);
  /** @type {import("./types.js").Bitmap} */
  const op = { kind: "tiles", tiles, only: false, from: "specks" };
  if (last?.kind === "tiles" && last.from === "specks") session.replace(op);
  else if (count) session.add(op);
  return count;
}

/** @param {Session} session @param {number} pixels */
export function grow(session, pixels) {
  const tiles = grown(session.mask(), pixels);
  session.add({ kind: "tiles", tiles, only: true, from: "grow" });
}

/** Download the mask, white = marked. @param {Session} session */
export async function save(session) {
  const url = URL.createObjectURL(await encode(session.mask()));
  dom.save(url, `${session.original.name.replace(/\.[^.]*$/, "")}-mask.png`);
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
