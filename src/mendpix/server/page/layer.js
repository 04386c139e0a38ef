/** A picture on screen: the server's preview at first, then tiles at the screen's resolution. */

/** @import {Picture} from "./types.js" */
/** @import {Viewport} from "./viewport.js" */
import * as api from "./api.js";

const SIDE = 512; // of a tile, in pixels
const MAX_REQUESTS = 4; // requests
const RETRY_MS = 5000; // until a failed tile is requested again
const MAX_TILES = 140; // tiles, of up to 1 MB each

export class Layer {
  /**
   * @param {Picture} picture
   * @param {() => void} onChange called when something new can be drawn
   * @param {Layer | null} parent the layer before the fill; its tiles outside `hole` are reused
   * @param {number[] | null} hole left, top, width, height
   */
  constructor(picture, onChange, parent = null, hole = null) {
    this.picture = picture;
    this.version = 0; // incremented by each tile
    this.onChange = () => {
      this.version++;
      onChange();
    };
    /** @type {Map<string, ImageBitmap>} */
    this.tiles = new Map();
    /** @type {Set<string>} */
    this.loading = new Set();
    /** @type {Set<string>} */
    this.failed = new Set();
    /** @type {ImageBitmap | null} */
    this.preview = null;
    this.ready = this.loadPreview();
    if (parent && hole) this.inheritTiles(parent, hole);
  }

  async loadPreview() {
    const format = this.picture.alpha ? "webp" : "jpeg";
    const url = `${api.previewUrl(this.picture.id, 1024)}&format=${format}`;
    this.preview = await createImageBitmap(await api.fetchBlob(url));
    this.onChange();
  }

  /** @param {Layer} parent @param {number[]} hole */
  inheritTiles(parent, [left, top, width, height]) {
    for (const [key, bitmap] of parent.tiles) {
      const [level, column, row] = key.split("/").map(Number);
      const side = SIDE * 2 ** level;
      const reach = 16 + 2 ** level; // a JPEG block, and the downscaling filter
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
   * @param {Viewport} view
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
    if (this.preview) context.drawImage(this.preview, x0, y0, x1 - x0, y1 - y0);
    if (this.preview && this.preview.width >= x1 - x0) return;
    const level = Math.max(0, Math.floor(Math.log2(1 / (view.scale * ratio)) + 0.01));
    const missing = [];
    for (const [column, row] of this.visibleTiles(view, SIDE * 2 ** level)) {
      const key = `${level}/${column}/${row}`;
      const bitmap = this.tiles.get(key);
      if (!bitmap) {
        missing.push(key);
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
    this.requestTiles(missing);
  }

  /**
   * Columns and rows of the visible tiles, from the middle outwards.
   *
   * @param {Viewport} view
   * @param {number} side of a tile, in pixels of the picture
   * @returns {number[][]}
   */
  visibleTiles(view, side) {
    const [left, top] = view.toPicture(0, 0);
    const [right, bottom] = view.toPicture(view.across, view.down);
    const tiles = [];
    const { width, height } = this.picture;
    for (let y = Math.max(0, Math.floor(top / side)); y * side < Math.min(bottom, height); y++) {
      for (let x = Math.max(0, Math.floor(left / side)); x * side < Math.min(right, width); x++) {
        tiles.push([x, y]);
      }
    }
    const [cx, cy] = [(left + right) / side / 2 - 0.5, (top + bottom) / side / 2 - 0.5];
    const far = (/** @type {number[]} */ [x, y]) => (x - cx) ** 2 + (y - cy) ** 2;
    return tiles.sort((a, b) => far(a) - far(b));
  }

  /** @param {string[]} keys */
  requestTiles(keys) {
    for (const key of keys) {
      if (this.loading.size >= MAX_REQUESTS) return;
      if (!this.loading.has(key) && !this.failed.has(key)) this.loadTile(key);
    }
  }

  /** @param {string} key */
  async loadTile(key) {
    this.loading.add(key);
    const [level, column, row] = key.split("/").map(Number);
    const side = SIDE * 2 ** level;
    const format = level === 0 || this.picture.alpha ? "png" : "jpeg";
    const box = [column * side, row * side, side, side];
    try {
      const blob = await api.fetchBlob(api.regionUrl(this.picture.id, box, level, format));
      this.tiles.set(key, await createImageBitmap(blob));
      for (const old of this.tiles.keys()) {
        if (this.tiles.size <= MAX_TILES) break;
        this.tiles.delete(old);
      }
    } catch {
      this.failed.add(key); // the preview stays visible until then
      setTimeout(() => {
        this.failed.delete(key);
        this.onChange();
      }, RETRY_MS);
    } finally {
      this.loading.delete(key);
      this.onChange();
    }
  }
}
