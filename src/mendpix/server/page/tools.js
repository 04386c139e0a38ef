/**
 * The tools: each turns the pointer's path into an operation on the mask, or into a guide.
 * `draft` is the operation of the path so far.
 */

/** @import {Op} from "./types.js" */

/**
 * @typedef {{points: number[], radius: number, erase: boolean}} Gesture
 * @typedef {{key: string, sized: boolean, draft: (gesture: Gesture) => Op | null}} Tool
 */

/**
 * The rectangle between the first and the last place, rounded outwards to whole pixels.
 *
 * @param {number[]} points
 * @returns {number[]}
 */
function rectangleCorners(points) {
  const [x0, y0] = points;
  const [x1, y1] = points.slice(-2);
  const [left, right] = [Math.floor(Math.min(x0, x1)), Math.ceil(Math.max(x0, x1))];
  const [top, bottom] = [Math.floor(Math.min(y0, y1)), Math.ceil(Math.max(y0, y1))];
  return [left, top, right, top, right, bottom, left, bottom];
}

/** @param {boolean} always @returns {(gesture: Gesture) => Op} */
const makeStroke = (always) => ({ points, radius, erase }) => ({
  kind: "stroke",
  erase: always || erase,
  radius,
  points,
});

/** @param {"source" | "exclude"} role @returns {(gesture: Gesture) => Op} */
const makeArea = (role) => ({ points, radius, erase }) => ({ kind: "area", role, erase, radius, points });

/** @type {Record<string, Tool>} */
export const TOOLS = {
  brush: { key: "b", sized: true, draft: makeStroke(false) },
  eraser: { key: "e", sized: true, draft: makeStroke(true) },
  rectangle: {
    key: "r",
    sized: false,
    draft: ({ points, erase }) =>
      points.length < 4 ? null : { kind: "polygon", erase, points: rectangleCorners(points) },
  },
  lasso: {
    key: "l",
    sized: false,
    draft: ({ points, erase }) =>
      points.length < 6 ? null : { kind: "polygon", erase, points },
  },
  inside: { key: "g", sized: false, draft: () => null },
  source: { key: "t", sized: true, draft: makeArea("source") },
  exclude: { key: "x", sized: true, draft: makeArea("exclude") },
  line: {
    key: "n",
    sized: false,
    draft: ({ points }) =>
      points.length < 4 ? null : { kind: "line", points: [...points.slice(0, 2), ...points.slice(-2)] },
  },
  hand: { key: "h", sized: false, draft: () => null },
};
