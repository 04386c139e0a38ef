/**
 * Guides: where texture may come from (source), where not (exclude), and lines that go on through
 * the hole. They share the mask's list of operations, so that undo works, but mark nothing.
 */

/** @import {Area, Line, Op} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { makePath } from "./overlay.js";
import { encodePng } from "./png.js";
import { Raster } from "./raster.js";

const COLOURS = { source: "#12a150", exclude: "#f08c00", line: "#1c7ed6" };
const LINE_WIDTH = 3; // CSS pixels
const DOT = 5;

/** @type {WeakMap<readonly Op[], readonly Op[]>} the same list for the same operations */
const marks = new WeakMap();

/** @param {Op} op @returns {op is Area | Line} */
export const isGuide = (op) => op.kind === "area" || op.kind === "line";

/** The operations that change the mask. @param {readonly Op[]} ops @returns {readonly Op[]} */
export function markOps(ops) {
  const known = marks.get(ops) ?? ops.filter((op) => !isGuide(op));
  marks.set(ops, known);
  return known;
}

/** The guides since the mask was cleared. @param {readonly Op[]} ops @returns {(Area | Line)[]} */
export const guideOps = (ops) =>
  ops.slice(ops.findLastIndex((op) => op.kind === "clear") + 1).filter(isGuide);

/**
 * Draw guides above the mask; what is erased is erased from its own area only.
 *
 * @param {CanvasRenderingContext2D} context whose transform maps the picture's pixels
 * @param {(Area | Line)[]} guides
 * @param {number} scale CSS pixels per pixel of the picture
 */
export function paintGuides(context, guides, scale) {
  for (const role of /** @type {const} */ (["source", "exclude"])) {
    const areas = guides.filter((op) => op.kind === "area" && op.role === role);
    if (areas.length) paintAreas(context, /** @type {Area[]} */ (areas), COLOURS[role]);
  }
  for (const [colour, halo] of /** @type {const} */ ([["#fff", 2], [COLOURS.line, 0]])) {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = (LINE_WIDTH + 2 * halo) / scale;
    for (const op of guides) {
      if (op.kind === "line") paintLine(context, op.points, (DOT + halo) / scale);
    }
  }
}

/** @param {CanvasRenderingContext2D} context @param {Area[]} areas @param {string} colour */
function paintAreas(context, areas, colour) {
  const { width, height } = context.canvas;
  const canvas = new OffscreenCanvas(width, height); // so that erasing leaves the mask alone
  const own = canvas.getContext("2d");
  if (!own) return;
  own.setTransform(context.getTransform());
  own.strokeStyle = colour;
  own.lineCap = own.lineJoin = "round";
  for (const { points, radius, erase } of areas) {
    own.globalCompositeOperation = erase ? "destination-out" : "source-over";
    own.lineWidth = 2 * radius;
    own.stroke(makePath(points, false));
  }
  context.save();
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.drawImage(canvas, 0, 0);
  context.restore();
}

/** @param {CanvasRenderingContext2D} context @param {number[]} points @param {number} radius */
function paintLine(context, points, radius) {
  context.stroke(makePath(points, false));
  for (let i = 0; i < points.length; i += 2) {
    context.beginPath();
    context.arc(points[i], points[i + 1], radius, 0, 2 * Math.PI);
    context.fill();
  }
}

/**
 * What a fill is told of the guides; areas are uploaded as masks.
 *
 * @param {Session} session
 * @param {api.RetryOptions} retry
 * @returns {Promise<{source?: string, exclude?: string, lines?: number[][]}>}
 */
export async function describeGuides(session, retry) {
  const guides = guideOps(session.now.ops);
  const { width, height } = session.original;
  /** @type {{source?: string, exclude?: string, lines?: number[][]}} */
  const told = {};
  for (const role of /** @type {const} */ (["source", "exclude"])) {
    const raster = new Raster(width, height);
    for (const op of guides) {
      if (op.kind === "area" && op.role === role) raster.draw({ ...op, kind: "stroke" });
    }
    if (!raster.bounds()) continue;
    told[role] = (await api.uploadPicture(await encodePng(raster), `${role}.png`, retry)).id;
  }
  const lines = guides.filter((op) => op.kind === "line").map((op) => op.points);
  if (lines.length) told.lines = lines;
  return told;
}
