/**
 * What the hand does: each tool turns a path over the picture into an operation on the mask.
 * `draft` is what it would be if the hand stopped now.
 */

/** @import {Op} from "./types.js" */

/**
 * @typedef {{points: number[], radius: number, erase: boolean}} Gesture
 * @typedef {{key: string, sized: boolean, draft: (gesture: Gesture) => Op | null}} Tool
 */

/**
 * The rectangle of all pixels between the first and last place.
 *
 * @param {number[]} points
 * @returns {number[]}
 */
function corners(points) {
  const [x0, y0] = points;
  const [x1, y1] = points.slice(-2);
  const [left, right] = [Math.floor(Math.min(x0, x1)), Math.ceil(Math.max(x0, x1))];
  const [top, bottom] = [Math.floor(Math.min(y0, y1)), Math.ceil(Math.max(y0, y1))];
  return [left, top, right, top, right, bottom, left, bottom];
}

/** @param {boolean} always @returns {(gesture: Gesture) => Op} */
const stroke = (always) => ({ points, radius, erase }) => ({
  kind: "stroke",
  erase: always || erase,
  radius,
  points,
});

/** @type {Record<string, Tool>} */
export const TOOLS = {
  brush: { key: "b", sized: true, draft: stroke(false) },
  eraser: { key: "e", sized: true, draft: stroke(true) },
  rectangle: {
    key: "r",
    sized: false,
    draft: ({ points, erase }) =>
      points.length < 4 ? null : { kind: "polygon", erase, points: corners(points) },
  },
  lasso: {
    key: "l",
    sized: false,
    draft: ({ points, erase }) =>
      points.length < 6 ? null : { kind: "polygon", erase, points },
  },
  inside: { key: "g", sized: false, draft: () => null },
  hand: { key: "h", sized: false, draft: () => null },
};
