/** One opened picture: its states, its mask's pixels and its views. Fires "change" and "draw". */

/** @import {Op, Picture, Result, Tries} from "./types.js" */
import { History } from "./history.js";
import { Layer } from "./layer.js";
import { Pixels, isEmpty } from "./mask.js";

const KEPT = 6; // views of pictures

export class Session extends EventTarget {
  /** @param {Picture} picture */
  constructor(picture) {
    super();
    this.original = picture;
    this.history = new History({ ops: [], picture, label: "opened", tries: null });
    this.pixels = new Pixels(picture.width, picture.height);
    /** @type {Map<string, Layer>} */
    this.layers = new Map();
    this.layer(picture).ready.catch(() => this.dispatchEvent(new Event("gone")));
  }

  get now() {
    return this.history.now;
  }

  get empty() {
    return isEmpty(this.now.ops);
  }

  get mended() {
    return this.now.picture.id !== this.original.id;
  }

  /** The mask's pixels, not to be written to. */
  mask() {
    return this.pixels.of(this.now.ops);
  }

  changed() {
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new Event("draw"));
  }

  /** @param {Op} op */
  add(op) {
    this.history.push({ ops: [...this.now.ops, op], label: op.kind });
    this.changed();
  }

  /** Put another operation in the place of the last one. @param {Op} op */
  replace(op) {
    this.history.amend({ ops: [...this.now.ops.slice(0, -1), op] });
    this.changed();
  }

  undo() {
    this.history.undo();
    this.changed();
  }

  redo() {
    this.history.redo();
    this.changed();
  }

  /** @param {number} index */
  go(index) {
    this.history.index = index;
    this.changed();
  }

  /** @param {Tries} tries at least one; the first is taken */
  filled(tries) {
    const result = tries.results[0];
    this.layer(result.picture, result);
    this.history.push({ ops: [], picture: result.picture, label: "fill", tries });
    this.changed();
  }

  /** @param {Result} result of the tries of now */
  choose(result) {
    this.layer(result.picture, result);
    this.history.amend({ picture: result.picture });
    this.changed();
  }

  /**
   * The view of a picture.
   *
   * @param {Picture} picture
   * @param {Result | null} result how it came to be
   * @returns {Layer}
   */
  layer(picture, result = null) {
    const found = this.layers.get(picture.id);
    if (found) {
      this.layers.delete(picture.id);
      this.layers.set(picture.id, found);
      return found;
    }
    const parent = (result && this.layers.get(result.source)) ?? null;
    const changed = () => this.dispatchEvent(new Event("draw"));
    const layer = new Layer(picture, changed, parent, result?.hole ?? null);
    this.layers.set(picture.id, layer);
    for (const id of this.layers.keys()) {
      if (this.layers.size <= KEPT) break;
      if (id !== this.original.id) this.layers.delete(id);
    }
    return layer;
  }
}
