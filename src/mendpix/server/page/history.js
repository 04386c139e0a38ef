/** What can be undone: whole states that share what did not change. */

/** @import {Snapshot} from "./types.js" */

export class History {
  /** @param {Snapshot} first */
  constructor(first) {
    /** @type {Snapshot[]} */
    this.all = [first];
    this.index = 0;
  }

  get now() {
    return this.all[this.index];
  }

  get canUndo() {
    return this.index > 0;
  }

  get canRedo() {
    return this.index < this.all.length - 1;
  }

  /** @param {Partial<Snapshot>} changes what differs from now; all that was undone is gone */
  push(changes) {
    this.all.length = this.index + 1;
    this.all.push({ ...this.now, ...changes });
    this.index++;
  }

  /** @param {Partial<Snapshot>} changes without a step of its own */
  amend(changes) {
    this.all[this.index] = { ...this.now, ...changes };
  }

  undo() {
    if (this.canUndo) this.index--;
  }

  redo() {
    if (this.canRedo) this.index++;
  }

  /** @returns {number[]} the places at which the picture became another one */
  fills() {
    return [...this.all.keys()].filter(
      (i) => i === 0 || this.all[i].picture.id !== this.all[i - 1].picture.id,
    );
  }
}
