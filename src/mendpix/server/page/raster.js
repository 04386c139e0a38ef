/** A full-size mask in tiles: empty tiles are absent, full tiles share one object. */

/** @import {Op, Tiles} from "./types.js" */

export const SIDE = 512;
/** A tile whose pixels are all marked. */
export const FULL = new Uint8Array(0);

export class Raster {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    this.width = width;
    this.height = height;
    this.across = Math.ceil(width / SIDE);
    this.down = Math.ceil(height / SIDE);
    /** @type {Tiles} */
    this.tiles = new Map();
  }

  /** @returns {Raster} */
  copy() {
    const twin = new Raster(this.width, this.height);
    for (const [key, tile] of this.tiles) twin.tiles.set(key, tile === FULL ? FULL : tile.slice());
    return twin;
  }

  /** @param {number} x @param {number} y @returns {number} 1 = marked */
  at(x, y) {
    const tile = this.tiles.get(Math.floor(y / SIDE) * this.across + Math.floor(x / SIDE));
    if (!tile) return 0;
    return tile === FULL ? 1 : tile[(y % SIDE) * SIDE + (x % SIDE)];
  }

  /**
   * A tile that may be written to.
   *
   * @param {number} key
   * @returns {Uint8Array}
   */
  writableTile(key) {
    let tile = this.tiles.get(key);
    if (!tile || tile === FULL) {
      tile = new Uint8Array(SIDE * SIDE).fill(tile ? 1 : 0);
      this.tiles.set(key, tile);
    }
    return tile;
  }

  /**
   * Set the pixels of row `y` whose centres lie in [low, high].
   *
   * @param {number} y
   * @param {number} low
   * @param {number} high
   * @param {number} value
   */
  span(y, low, high, value) {
    let x = Math.max(0, Math.ceil(low - 0.5));
    const end = Math.min(this.width, Math.floor(high - 0.5) + 1);
    const row = Math.floor(y / SIDE) * this.across;
    const start = (y % SIDE) * SIDE;
    while (x < end) {
      const column = Math.floor(x / SIDE);
      const stop = Math.min(end, (column + 1) * SIDE);
      const tile = this.tiles.get(row + column);
      if (tile !== (value ? FULL : undefined)) {
        const left = column * SIDE;
        this.writableTile(row + column).fill(value, start + x - left, start + stop - left);
      }
      x = stop;
    }
  }

  /**
   * One row of pixels, 1 = marked.
   *
   * @param {number} y
   * @param {Uint8Array} out of the picture's width
   */
  row(y, out) {
    out.fill(0);
    const base = Math.floor(y / SIDE) * this.across;
    const start = (y % SIDE) * SIDE;
    for (let column = 0; column < this.across; column++) {
      const tile = this.tiles.get(base + column);
      if (!tile) continue;
      const left = column * SIDE;
      const count = Math.min(SIDE, this.width - left);
      if (tile === FULL) out.fill(1, left, left + count);
      else out.set(tile.subarray(start, start + count), left);
    }
  }

  /** @returns {number[] | null} left, top, right, bottom the bounding box of the marks */
  bounds() {
    let [left, top, right, bottom] = [Infinity, Infinity, -1, -1];
    for (const [key, tile] of this.tiles) {
      const x0 = (key % this.across) * SIDE;
      const y0 = Math.floor(key / this.across) * SIDE;
      const wide = Math.min(SIDE, this.width - x0);
      const high = Math.min(SIDE, this.height - y0);
      for (let y = 0; y < high; y++) {
        const row = tile === FULL ? null : tile.subarray(y * SIDE, y * SIDE + wide);
        const first = row ? row.indexOf(1) : 0;
        if (first < 0) continue;
        left = Math.min(left, x0 + first);
        right = Math.max(right, x0 + (row ? row.lastIndexOf(1) : wide - 1) + 1);
        top = Math.min(top, y0 + y);
        bottom = Math.max(bottom, y0 + y + 1);
      }
    }
    return right < 0 ? null : [left, top, right, bottom];
  }

  invert() {
    for (let key = 0; key < this.across * this.down; key++) {
      const tile = this.tiles.get(key);
      if (!tile) this.tiles.set(key, FULL);
      else if (tile === FULL) this.tiles.delete(key);
      else for (let i = 0; i < tile.length; i++) tile[i] ^= 1;
    }
  }

  /** @param {Tiles} tiles to mark in addition */
  add(tiles) {
    for (const [key, tile] of tiles) {
      const mine = this.tiles.get(key);
      if (mine === FULL) continue;
      if (tile === FULL) this.tiles.set(key, FULL);
      else if (!mine) this.tiles.set(key, tile.slice());
      else for (let i = 0; i < tile.length; i++) mine[i] |= tile[i];
    }
  }

  /** @param {Op} op */
  draw(op) {
    if (op.kind === "stroke") drawStroke(this, op.points, op.radius, op.erase ? 0 : 1);
    else if (op.kind === "polygon") drawPolygon(this, op.points, op.erase ? 0 : 1);
    else if (op.kind === "invert") this.invert();
    else if (op.kind === "clear") this.tiles.clear();
    else if (op.kind === "tiles") {
      if (op.only) this.tiles.clear();
      this.add(op.tiles);
    }
  }
}

/**
 * All pixels whose centres lie within `radius` of the line through the points.
 *
 * @param {Raster} raster
 * @param {number[]} points x, y, x, y, ...
 * @param {number} radius
 * @param {number} value
 */
function drawStroke(raster, points, radius, value) {
  const [x, y] = points;
  if (points.length === 2) drawCapsule(raster, x, y, x, y, radius, value);
  for (let i = 2; i < points.length; i += 2) {
    drawCapsule(raster, points[i - 2], points[i - 1], points[i], points[i + 1], radius, value);
  }
}

/**
 * @param {Raster} raster
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} r
 * @param {number} value
 */
function drawCapsule(raster, x0, y0, x1, y1, r, value) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const [ux, uy] = length ? [(x1 - x0) / length, (y1 - y0) / length] : [1, 0];
  const first = Math.max(0, Math.ceil(Math.min(y0, y1) - r - 0.5));
  const last = Math.min(raster.height - 1, Math.floor(Math.max(y0, y1) + r - 0.5));
  for (let y = first; y <= last; y++) {
    const [low, high] = intersectCapsule(y + 0.5, x0, y0, x1, y1, r, ux, uy, length);
    if (low <= high) raster.span(y, low, high, value);
  }
}

/**
 * Where a horizontal line crosses a capsule: the union of two discs and the band between them,
 * which is one interval because a capsule is convex.
 *
 * @param {number} y
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 * @param {number} r
 * @param {number} ux
 * @param {number} uy
 * @param {number} length
 * @returns {[number, number]}
 */
function intersectCapsule(y, x0, y0, x1, y1, r, ux, uy, length) {
  let [low, high] = [Infinity, -Infinity];
  const dy0 = y - y0;
  const dy1 = y - y1;
  if (Math.abs(dy0) <= r) {
    const half = Math.sqrt(r * r - dy0 * dy0);
    [low, high] = [x0 - half, x0 + half];
  }
  if (Math.abs(dy1) <= r) {
    const half = Math.sqrt(r * r - dy1 * dy1);
    [low, high] = [Math.min(low, x1 - half), Math.max(high, x1 + half)];
  }
  // Along the line: 0 <= x·ux + dy0·uy <= length; across: |x·uy - dy0·ux| <= r (x from x0).
  const along = solveInterval(ux, dy0 * uy, 0, length);
  const across = solveInterval(uy, -dy0 * ux, -r, r);
  const left = Math.max(along[0], across[0]);
  const right = Math.min(along[1], across[1]);
  if (left > right) return [low, high];
  return [Math.min(low, x0 + left), Math.max(high, x0 + right)];
}

/**
 * The x with low <= a·x + b <= high.
 *
 * @param {number} a
 * @param {number} b
 * @param {number} low
 * @param {number} high
 * @returns {[number, number]}
 */
function solveInterval(a, b, low, high) {
  if (Math.abs(a) < 1e-12) {
    return b >= low && b <= high ? [-Infinity, Infinity] : [Infinity, -Infinity];
  }
  const [one, two] = [(low - b) / a, (high - b) / a];
  return one < two ? [one, two] : [two, one];
}

/**
 * All pixels whose centres lie inside a closed outline, by the even-odd rule.
 *
 * @param {Raster} raster
 * @param {number[]} points
 * @param {number} value
 */
function drawPolygon(raster, points, value) {
  const ys = points.filter((_, i) => i % 2 === 1);
  const first = Math.max(0, Math.ceil(Math.min(...ys) - 0.5));
  const last = Math.min(raster.height - 1, Math.floor(Math.max(...ys) - 0.5));
  for (let y = first; y <= last; y++) {
    const crossings = findCrossings(points, y + 0.5);
    for (let i = 0; i + 1 < crossings.length; i += 2) {
      raster.span(y, crossings[i], crossings[i + 1], value);
    }
  }
}

/** @param {number[]} points @param {number} y @returns {number[]} x of crossings, in order */
function findCrossings(points, y) {
  const crossings = [];
  for (let i = 0, j = points.length - 2; i < points.length; j = i, i += 2) {
    const [xa, ya, xb, yb] = [points[j], points[j + 1], points[i], points[i + 1]];
    if (ya <= y !== yb <= y) crossings.push(xa + ((y - ya) / (yb - ya)) * (xb - xa));
  }
  return crossings.sort((a, b) => a - b);
}
