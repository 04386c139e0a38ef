/** Draws the mask on a canvas at any zoom. */

/** @import {Raster} from "./raster.js" */
/** @import {Bitmap, Op} from "./types.js" */
import { FULL, SIDE } from "./raster.js";

/** @type {WeakMap<Op, Path2D>} */
const paths = new WeakMap();
/** @type {WeakMap<Uint8Array, OffscreenCanvas>} */
const tileCanvases = new WeakMap();

/** @param {number[]} points @param {boolean} closed @returns {Path2D} */
export function makePath(points, closed) {
  const path = new Path2D();
  path.moveTo(points[0], points[1]);
  if (points.length === 2) path.lineTo(points[0], points[1]);
  for (let i = 2; i < points.length; i += 2) path.lineTo(points[i], points[i + 1]);
  if (closed) path.closePath();
  return path;
}

/** @param {Op & {points: number[]}} op @returns {Path2D} */
function cachedPath(op) {
  const path = paths.get(op) ?? makePath(op.points, op.kind === "polygon");
  paths.set(op, path);
  return path;
}

/**
 * @param {CanvasRenderingContext2D} context whose transform maps the picture's pixels
 * @param {readonly Op[]} ops
 * @param {number} width of the picture
 * @param {number} height
 * @param {string} colour
 */
export function paint(context, ops, width, height, colour) {
  context.fillStyle = context.strokeStyle = colour;
  context.lineCap = context.lineJoin = "round";
  const start = ops.findLastIndex((op) => op.kind === "clear" || ("only" in op && op.only));
  for (const op of ops.slice(Math.max(0, start))) paintOp(context, op, width, height);
  context.globalCompositeOperation = "source-over";
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Op} op
 * @param {number} width
 * @param {number} height
 */
function paintOp(context, op, width, height) {
  const erase = "erase" in op && op.erase;
  context.globalCompositeOperation = erase ? "destination-out" : "source-over";
  if (op.kind === "stroke") {
    context.lineWidth = 2 * op.radius;
    context.stroke(cachedPath(op));
  } else if (op.kind === "polygon") {
    context.fill(cachedPath(op), "evenodd");
  } else if (op.kind === "invert") {
    context.globalCompositeOperation = "xor";
    context.fillRect(0, 0, width, height);
  } else if (op.kind === "tiles") {
    paintTiles(context, op, width, height);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Bitmap} op
 * @param {number} width
 * @param {number} height
 */
function paintTiles(context, op, width, height) {
  const across = Math.ceil(width / SIDE);
  for (const [key, tile] of op.tiles) {
    const left = (key % across) * SIDE;
    const top = Math.floor(key / across) * SIDE;
    if (tile === FULL) {
      context.fillRect(left, top, Math.min(SIDE, width - left), Math.min(SIDE, height - top));
    } else {
      const canvas = tileCanvases.get(tile) ?? colourTile(tile, String(context.fillStyle));
      tileCanvases.set(tile, canvas);
      context.drawImage(canvas, left, top);
    }
  }
}

/**
 * Draw the mask's pixels, for zooms at which single pixels are visible.
 *
 * @param {CanvasRenderingContext2D} context whose transform maps the picture's pixels
 * @param {Raster} raster
 * @param {number[]} area left, top, right, bottom of the visible part of the picture
 * @param {string} colour
 * @param {Map<number, OffscreenCanvas>} cache of this mask
 */
export function paintPixels(context, raster, area, colour, cache) {
  const [left, top, right, bottom] = area.map((value) => Math.floor(value / SIDE));
  context.fillStyle = colour;
  context.imageSmoothingEnabled = false;
  for (let row = Math.max(0, top); row <= Math.min(bottom, raster.down - 1); row++) {
    for (let column = Math.max(0, left); column <= Math.min(right, raster.across - 1); column++) {
      const key = row * raster.across + column;
      const tile = raster.tiles.get(key);
      if (tile === FULL) context.fillRect(column * SIDE, row * SIDE, SIDE, SIDE);
      else if (tile) {
        const canvas = cache.get(key) ?? colourTile(tile, colour);
        cache.set(key, canvas);
        context.drawImage(canvas, column * SIDE, row * SIDE);
      }
    }
  }
  context.imageSmoothingEnabled = true;
}

/** @param {Uint8Array} tile @param {string} colour @returns {OffscreenCanvas} */
function colourTile(tile, colour) {
  const canvas = new OffscreenCanvas(SIDE, SIDE);
  const context = canvas.getContext("2d");
  if (!context) throw new Error("no canvas");
  const image = context.createImageData(SIDE, SIDE);
  for (let i = 0; i < tile.length; i++) image.data[4 * i + 3] = tile[i] * 255;
  context.putImageData(image, 0, 0);
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour;
  context.fillRect(0, 0, SIDE, SIDE);
  return canvas;
}
