/** The mask's pixels: rendering of vector operations, dilation, flood fill, reading of files. */

/** @import {Op, Tiles} from "./types.js" */
import { FULL, Raster, SIDE } from "./raster.js";

/** Renders operations to pixels on demand; appended operations are added to the last raster. */
export class MaskPixels {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.raster = new Raster(width, height);
    /** @type {readonly Op[]} */
    this.rendered = [];
  }

  /** @param {readonly Op[]} ops @returns {Raster} read-only */
  render(ops) {
    const appends = this.rendered.every((op, i) => ops[i] === op);
    if (!appends) this.raster = new Raster(this.raster.width, this.raster.height);
    for (const op of ops.slice(appends ? this.rendered.length : 0)) this.raster.draw(op);
    this.rendered = [...ops];
    return this.raster;
  }
}

/** @param {readonly Op[]} ops @returns {boolean} true if nothing can be marked */
export function hasNoMarks(ops) {
  const last = ops.findLastIndex((op) => op.kind === "clear");
  const rest = ops.slice(last + 1);
  return !rest.some((op) => !("erase" in op && op.erase));
}

/**
 * Dilate a mask by a disc.
 *
 * @param {Raster} raster
 * @param {number} radius pixels, Euclidean
 * @returns {Tiles}
 */
export function dilate(raster, radius) {
  const out = new Raster(raster.width, raster.height);
  const bounds = raster.bounds();
  if (!bounds) return out.tiles;
  const width = raster.width;
  const line = new Uint8Array(width);
  const reach = Array.from({ length: radius + 1 }, (_, dy) =>
    Math.floor(Math.sqrt(radius * radius - dy * dy)),
  );
  for (let y = bounds[1]; y < bounds[3]; y++) {
    raster.row(y, line);
    for (const [start, end] of runs(line, bounds[0], bounds[2])) {
      const near = (/** @type {number} */ dy) => {
        const wide = reach[Math.abs(dy)];
        out.span(y + dy, start - wide, end + wide, 1);
      };
      const inner = isInterior(raster, y, start, end);
      for (let dy = -radius; dy <= radius; dy++) {
        if (y + dy >= 0 && y + dy < raster.height && !(inner && dy)) near(dy);
      }
    }
  }
  return out.tiles;
}

/**
 * Whether the rows above and below mark all of this run: then they dilate to all its rows.
 *
 * @param {Raster} raster
 * @param {number} y
 * @param {number} start
 * @param {number} end
 */
function isInterior(raster, y, start, end) {
  if (y === 0 || y === raster.height - 1) return false;
  for (let x = start; x < end; x++) if (!raster.at(x, y - 1) || !raster.at(x, y + 1)) return false;
  return true;
}

/**
 * @param {Uint8Array} line
 * @param {number} from
 * @param {number} to
 * @returns {Generator<[number, number]>}
 */
function* runs(line, from, to) {
  let start = line.indexOf(1, from);
  while (start >= 0 && start < to) {
    let end = line.indexOf(0, start);
    if (end < 0) end = line.length;
    yield [start, end];
    start = line.indexOf(1, end);
  }
}

/**
 * Flood fill of the unmarked region around a point; null if its outline is open.
 *
 * @param {Raster} raster
 * @param {number} x
 * @param {number} y
 * @returns {Tiles | null}
 */
export function floodFill(raster, x, y) {
  const bounds = raster.bounds();
  if (!bounds) return null;
  const [left, top, right, bottom] = bounds;
  const out = new Raster(raster.width, raster.height);
  const seen = (/** @type {number} */ i, /** @type {number} */ j) =>
    raster.at(i, j) || out.at(i, j);
  const stack = [[x, y]];
  while (stack.length) {
    const [px, py] = /** @type {number[]} */ (stack.pop());
    if (px < left || py < top || px >= right || py >= bottom) return null;
    if (seen(px, py)) continue;
    let [start, end] = [px, px + 1];
    while (start > left && !seen(start - 1, py)) start--;
    while (end < right && !seen(end, py)) end++;
    if (start === left || end === right || py === top || py === bottom - 1) return null;
    out.span(py, start, end, 1);
    for (const row of [py - 1, py + 1]) {
      for (let i = start; i < end; i++) {
        if (!seen(i, row) && (i === start || seen(i - 1, row))) stack.push([i, row]);
      }
    }
  }
  return out.tiles;
}

/**
 * Read a mask picture, white = marked, as tiles.
 *
 * @param {CanvasImageSource} source
 * @param {number} width
 * @param {number} height
 * @returns {Promise<Tiles>}
 */
export async function readTiles(source, width, height) {
  /** @type {Tiles} */
  const tiles = new Map();
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("no canvas");
  const across = Math.ceil(width / SIDE);
  for (let top = 0; top < height; top += SIDE) {
    for (let left = 0; left < width; left += SIDE) {
      context.clearRect(0, 0, SIDE, SIDE);
      context.drawImage(source, -left, -top);
      const tile = thresholdTile(context.getImageData(0, 0, SIDE, SIDE).data);
      if (tile) tiles.set((top / SIDE) * across + left / SIDE, tile);
    }
    await new Promise((done) => setTimeout(done));
  }
  return tiles;
}

/** @param {Uint8ClampedArray} rgba @returns {Uint8Array | null} */
function thresholdTile(rgba) {
  const tile = new Uint8Array(SIDE * SIDE);
  let count = 0;
  for (let i = 0; i < tile.length; i++) if (rgba[4 * i] > 127) count += tile[i] = 1;
  if (!count) return null;
  return count === tile.length ? FULL : tile;
}
