/** An open picture: its history, mask and layers. Fires "change" and "draw". */

/** @import {Op, Picture, Result, Tries} from "./types.js" */
import { guideOps, markOps } from "./guides.js";
import { History } from "./history.js";
import { Layer } from "./layer.js";
import { hasNoMarks, MaskPixels } from "./mask-pixels.js";

const MAX_LAYERS = 6; // pictures that stay loaded

export class Session extends EventTarget {
  /** @param {Picture} picture */
  constructor(picture) {
    super();
    this.original = picture;
    this.history = new History({ ops: [], picture, label: "opened", tries: null });
    this.pixels = new MaskPixels(picture.width, picture.height);
    /** @type {Map<string, Layer>} */
    this.layers = new Map();
    this.getLayer(picture).ready.catch(() => this.dispatchEvent(new Event("gone")));
  }

  get now() {
    return this.history.now;
  }

  get isEmpty() {
    return hasNoMarks(markOps(this.now.ops));
  }

  get hasGuides() {
    return guideOps(this.now.ops).length > 0;
  }

  get isFilled() {
    return this.now.picture.id !== this.original.id;
  }

  /** The mask's pixels, read-only. */
  mask() {
    return this.pixels.render(markOps(this.now.ops));
  }

  notify() {
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("draw"));
  }

  /** @param {Op} op */
  add(op) {
    this.history.push({ ops: [...this.now.ops, op], label: op.kind });
    this.notify();
  }

  /** Replace the last operation. @param {Op} op */
  replace(op) {
    this.history.amend({ ops: [...this.now.ops.slice(0, -1), op] });
    this.notify();
  }

  undo() {
    this.history.undo();
    this.notify();
  }

  redo() {
    this.history.redo();
    this.notify();
  }

  /** @param {number} index */
  go(index) {
    this.history.index = index;
    this.notify();
  }

  /** @param {Tries} tries at least one; the first is chosen */
  applyFill(tries) {
    const result = tries.results[0];
    this.getLayer(result.picture, result);
    this.history.push({ ops: [], picture: result.picture, label: "fill", tries });
    this.notify();
  }

  /** @param {Result} result of the tries of now */
  choose(result) {
    this.getLayer(result.picture, result);
    this.history.amend({ picture: result.picture });
    this.notify();
  }

  /**
   * The layer of a picture.
   *
   * @param {Picture} picture
   * @param {Result | null} result the fill that made it
   * @returns {Layer}
   */
  getLayer(picture, result = null) {
    const cached = this.layers.get(picture.id);
    if (cached) {
      this.layers.delete(picture.id);
      this.layers.set(picture.id, cached);
      return cached;
    }
    const parent = (result && this.layers.get(result.source)) ?? null;
    const redraw = () => this.dispatchEvent(new Event("draw"));
    const layer = new Layer(picture, redraw, parent, result?.hole ?? null);
    this.layers.set(picture.id, layer);
    for (const id of this.layers.keys()) {
      if (this.layers.size <= MAX_LAYERS) break;
      if (id !== this.original.id) this.layers.delete(id);
    }
    return layer;
  }
}
