/** A picture on the screen: the server's small view at once, then tiles as sharp as the screen. */

/** @import {Picture} from "./types.js" */
/** @import {View} from "./view.js" */
import * as api from "./api.js";

const SIDE = 512; // of a tile, in its own pixels
const AT_ONCE = 4; // requests
const AGAIN = 5000; // ms until a tile that did not come is asked for again
const KEPT = 140; // tiles, of up to 1 MB each

export class Layer {
  /**
   * @param {Picture} picture
   * @param {() => void} changed called when there is more to see
   * @param {Layer | null} parent what was filled: its tiles outside `hole` are the same
   * @param {number[] | null} hole left, top, width, height
   */
  constructor(picture, changed, parent = null, hole = null) {
    this.picture = picture;
    this.news = 0; // counts what came
    this.changed = () => {
      this.news++;
      changed();
    };
    /** @type {Map<string, ImageBitmap>} */
    this.tiles = new Map();
    /** @type {Set<string>} */
    this.coming = new Set();
    /** @type {Set<string>} */
    this.failed = new Set();
    /** @type {ImageBitmap | null} */
    this.small = null;
    this.ready = this.begin();
    if (parent && hole) this.inherit(parent, hole);
  }

  async begin() {
    const format = this.picture.alpha ? "webp" : "jpeg";
    const url = `${api.previewUrl(this.picture.id, 1024)}&format=${format}`;
    this.small = await createImageBitmap(await api.bytes(url));
    this.changed();
  }

  /** @param {Layer} parent @param {number[]} hole */
  inherit(parent, [left, top, width, height]) {
    for (const [key, bitmap] of parent.tiles) {
      const [level, column, row] = key.split("/").map(Number);
      const side = SIDE * 2 ** level;
      const reach = 16 + 2 ** level; // a block of JPEG, and the smoothing of a smaller view
      const apart =
        (column + 1) * side < left - reach ||
        column * side > left + width + reach ||
        (row + 1) * side < top - reach ||
        row * side > top + height + reach;
      if (apart) this.tiles.set(key, bitmap);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context in device pixels
   * @param {View} view
   * @param {number} ratio device pixels per CSS pixel
   */
  draw(context, view, ratio) {
    const { width, height } = this.picture;
    const at = (/** @type {number} */ x, /** @type {number} */ y) =>
      view.toStage(x, y).map((v) => Math.round(v * ratio));
    context.imageSmoothingEnabled = view.scale * ratio < 3;
    context.imageSmoothingQuality = "medium";
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(width, height);
    if (this.small) context.drawImage(this.small, x0, y0, x1 - x0, y1 - y0);
    if (this.small && this.small.width >= x1 - x0) return;
    const level = Math.max(0, Math.floor(Math.log2(1 / (view.scale * ratio)) + 0.01));
    const wanted = [];
    for (const [column, row] of this.seen(view, SIDE * 2 ** level)) {
      const key = `${level}/${column}/${row}`;
      const bitmap = this.tiles.get(key);
      if (!bitmap) {
        wanted.push(key);
        continue;
      }
      const left = column * SIDE * 2 ** level;
      const top = row * SIDE * 2 ** level;
      const [a, b] = at(left, top);
      const right = Math.min(width, left + bitmap.width * 2 ** level);
      const bottom = Math.min(height, top + bitmap.height * 2 ** level);
      const [c, d] = at(right, bottom);
      context.drawImage(bitmap, a, b, c - a, d - b);
    }
    this.want(wanted);
  }

  /**
   * Columns and rows of the tiles in sight, those in the middle first.
   *
   * @param {View} view
   * @param {number} side of a tile, in pixels of the picture
   * @returns {number[][]}
   */
  seen(view, side) {
    const [left, top] = view.toPicture(0, 0);
    const [right, bottom] = view.toPicture(view.across, view.down);
    const found = [];
    const { width, height } = this.picture;
    for (let y = Math.max(0, Math.floor(top / side)); y * side < Math.min(bottom, height); y++) {
      for (let x = Math.max(0, Math.floor(left / side)); x * side < Math.min(right, width); x++) {
        found.push([x, y]);
      }
    }
    const [cx, cy] = [(left + right) / side / 2 - 0.5, (top + bottom) / side / 2 - 0.5];
    const far = (/** @type {number[]} */ [x, y]) => (x - cx) ** 2 + (y - cy) ** 2;
    return found.sort((a, b) => far(a) - far(b));
  }

  /** @param {string[]} keys */
  want(keys) {
    for (const key of keys) {
      if (this.coming.size >= AT_ONCE) return;
      if (!this.coming.has(key) && !this.failed.has(key)) this.fetch(key);
    }
  }

  /** @param {string} key */
  async fetch(key) {
    this.coming.add(key);
    const [level, column, row] = key.split("/").map(Number);
    const side = SIDE * 2 ** level;
    const format = level === 0 || this.picture.alpha ? "png" : "jpeg";
    const box = [column * side, row * side, side, side];
    try {
      const blob = await api.bytes(api.regionUrl(this.picture.id, box, level, format));
      this.tiles.set(key, await createImageBitmap(blob));
      for (const old of this.tiles.keys()) {
        if (this.tiles.size <= KEPT) break;
        this.tiles.delete(old);
      }
    } catch {
      this.failed.add(key); // the small view stays for a while
      setTimeout(() => {
        this.failed.delete(key);
        this.changed();
      }, AGAIN);
    } finally {
      this.coming.delete(key);
      this.changed();
    }
  }
}
