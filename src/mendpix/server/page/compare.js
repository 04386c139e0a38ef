/** Comparing before and after: a split slider, and a button to hold. */

/** @import {Stage} from "./stage.js" */
import { button, byId } from "./dom.js";

export class Compare {
  /** @param {Stage} stage @param {() => void} onChange */
  constructor(stage, onChange) {
    this.stage = stage;
    this.onChange = onChange;
    this.handle = byId("split-handle");
  }

  listen() {
    const hold = button("hold");
    button("slide").addEventListener("click", () => this.toggle());
    hold.addEventListener("pointerdown", (event) => {
      hold.setPointerCapture(event.pointerId);
      this.hold(true);
    });
    for (const name of ["pointerup", "pointercancel", "blur"]) {
      hold.addEventListener(name, () => this.hold(false));
    }
    for (const down of [true, false]) {
      document.addEventListener(down ? "keydown" : "keyup", (event) => this.key(event, down));
    }
    this.handle.addEventListener("pointerdown", (event) => this.grab(event));
    this.handle.addEventListener("pointermove", (event) => this.drag(event));
    this.handle.addEventListener("keydown", (event) => this.moveByKey(event));
  }

  /** @param {KeyboardEvent} event @param {boolean} down */
  key(event, down) {
    const { target } = event;
    if (target instanceof Element && target.closest("input:not([type=range]), select, dialog")) return;
    const pressed = target === button("hold") && (event.key === " " || event.key === "Enter");
    const plain = event.key.toLowerCase() === "c" && !event.ctrlKey && !event.metaKey;
    if ((pressed || plain) && !button("hold").disabled) {
      event.preventDefault();
      this.hold(down);
    }
  }

  /** @param {boolean} down */
  hold(down) {
    this.stage.showOriginal = down;
    this.stage.redraw();
  }

  toggle() {
    if (!button("slide").disabled) this.set(!this.stage.sliding);
  }

  /** @param {boolean} on */
  set(on) {
    if (this.stage.sliding === on) return;
    this.stage.sliding = on;
    button("slide").setAttribute("aria-pressed", String(on));
    byId("stage").classList.toggle("sliding", on);
    byId("split").hidden = !on;
    if (on) {
      this.move(0.5);
      this.handle.focus();
    }
    this.stage.redraw();
  }

  /** @param {number} share of the stage that shows the original */
  move(share) {
    this.stage.share = Math.min(1, Math.max(0, share));
    this.handle.setAttribute("aria-valuenow", String(Math.round(100 * this.stage.share)));
    this.stage.redraw();
  }

  /** @param {PointerEvent} event */
  grab(event) {
    this.handle.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.handle.focus();
  }

  /** @param {PointerEvent} event */
  drag(event) {
    if (!this.handle.hasPointerCapture(event.pointerId)) return;
    const { left, width } = this.stage.box.getBoundingClientRect();
    this.move((event.clientX - left) / width);
  }

  /** @param {KeyboardEvent} event */
  moveByKey(event) {
    const to = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02,
      PageDown: -0.1, PageUp: 0.1, Home: -1, End: 1 }[event.key];
    if (event.key === "Escape") this.set(false);
    else if (to) this.move(this.stage.share + to);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
