/** Undo and redo: a list of snapshots that share unchanged parts. */

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

  /** @param {Partial<Snapshot>} changes of the current snapshot; discards what was undone */
  push(changes) {
    this.all.length = this.index + 1;
    this.all.push({ ...this.now, ...changes });
    this.index++;
  }

  /** @param {Partial<Snapshot>} changes to the current snapshot, without a new step */
  amend(changes) {
    this.all[this.index] = { ...this.now, ...changes };
  }

  undo() {
    if (this.canUndo) this.index--;
  }

  redo() {
    if (this.canRedo) this.index++;
  }

  /** @returns {number[]} indices of the snapshots with a new picture */
  fills() {
    return [...this.all.keys()].filter(
      (i) => i === 0 || this.all[i].picture.id !== this.all[i - 1].picture.id,
    );
  }
}
