/**
 * What the hand does: each tool turns a path over the picture into an operation on the mask.
 * `draft` is what it would be if the hand stopped now.
 */

/** @import {Op} from "./types.js" */

/**
 * @typedef {{points: number[], radius: number, erase: boolean}} Gesture
 * @typedef {{key: string, sized: boolean, draft: (gesture: Gesture) => Op | null}} Tool
 */

/** @param {number[]} points @returns {number[]} the rectangle between the first and last */
function corners(points) {
  const [x0, y0] = points;
  const [x1, y1] = points.slice(-2);
  return [x0, y0, x1, y0, x1, y1, x0, y1];
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
