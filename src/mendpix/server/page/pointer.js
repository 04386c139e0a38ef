/** Mouse, pen and touch on the stage: painting, panning, pinching, and the brush's ring. */

/** @import {Stage} from "./stage.js" */
import { byId } from "./dom.js";
import { isGuide } from "./guides.js";
import { floodFill } from "./mask-pixels.js";
import { TOOLS } from "./tools.js";

export const BRUSH_SIZES = { min: 1, max: 2000 };

export class PointerInput {
  /**
   * @param {Stage} stage
   * @param {{size: number, tool: string}} settings size: the brush's width in pixels of the picture
   * @param {{onStroke: () => void, onResize: () => void, onMessage: (key: string) => void}} callbacks
   */
  constructor(stage, settings, callbacks) {
    this.stage = stage;
    this.settings = settings;
    this.callbacks = callbacks;
    this.ring = byId("ring");
    this.spaceDown = false;
    this.frozen = false; // while a fill runs
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    /** @type {import("./tools.js").Gesture | null} */
    this.gesture = null;
    this.panning = false;
    /** @type {[number, number]} last position of the mouse on the stage */
    this.at = [0, 0];
    this.hideTimer = 0;
    this.listen();
  }

  listen() {
    const target = this.stage.maskCanvas;
    target.addEventListener("pointerdown", (event) => this.down(event));
    target.addEventListener("pointermove", (event) => this.move(event));
    target.addEventListener("pointerup", (event) => this.up(event));
    target.addEventListener("pointercancel", (event) => this.up(event, true));
    target.addEventListener("pointerleave", () => (this.ring.hidden = true));
    target.addEventListener("contextmenu", (event) => event.preventDefault());
    this.stage.box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.box.addEventListener("drawn", () => {
      if (!this.ring.hidden) this.showRing(...this.at); // the zoom may have changed
    });
  }

  get tool() {
    return TOOLS[this.settings.tool];
  }

  /** @param {{clientX: number, clientY: number}} event @returns {[number, number]} on the stage */
  position(event) {
    const { left, top } = this.stage.box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (!this.stage.session) return;
    this.stage.maskCanvas.setPointerCapture(event.pointerId);
    const [x, y] = this.position(event);
    this.pointers.set(event.pointerId, { x, y });
    if (this.pointers.size > 1) {
      this.discard(); // a second finger starts a pinch
      return;
    }
    this.panning = this.spaceDown || event.button === 1 || this.settings.tool === "hand";
    this.stage.box.classList.toggle("panning", this.panning);
    if (this.panning || this.frozen || this.stage.sliding || event.button > 2) return;
    const at = this.stage.view.toPicture(x, y);
    if (this.settings.tool === "inside") this.fillOutline(at[0], at[1]);
    else this.start(at, event.button === 2);
  }

  /** @param {[number, number]} at @param {boolean} erase */
  start(at, erase) {
    this.gesture = { points: [...at], radius: this.settings.size / 2, erase };
    this.updateDraft();
  }

  /** @param {number} x @param {number} y extend the stroke to a place of the picture */
  extend(x, y) {
    const points = this.gesture?.points;
    if (!points) return;
    const least = Math.max(0.25, 0.75 / this.stage.view.scale);
    if (Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) >= least) {
      points.push(x, y);
    }
  }

  updateDraft() {
    this.stage.draft = this.gesture && this.tool.draft(this.gesture);
    this.stage.redraw();
  }

  discard() {
    this.gesture = null;
    this.updateDraft();
  }

  finish() {
    const op = this.gesture && this.tool.draft(this.gesture);
    this.gesture = null;
    this.stage.draft = null;
    if (!op || !this.stage.session) return;
    this.stage.session.add(op);
    if (!isGuide(op)) this.callbacks.onStroke();
  }

  /** Mark the inside of a closed outline. @param {number} x @param {number} y */
  fillOutline(x, y) {
    const session = this.stage.session;
    if (!session) return;
    const tiles = floodFill(session.mask(), Math.floor(x), Math.floor(y));
    if (!tiles) this.callbacks.onMessage("outlineOpen");
    else if (tiles.size) {
      session.add({ kind: "tiles", tiles, only: false, from: "inside" });
      this.callbacks.onStroke();
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    const [x, y] = this.position(event);
    this.showRing(x, y);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.pointers.size === 2) this.pinch(event.pointerId, x, y);
    else if (this.panning) this.stage.view.pan(x - before.x, y - before.y);
    else if (this.gesture) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) {
        this.extend(...this.stage.view.toPicture(...this.position(one)));
      }
      this.updateDraft();
    }
    this.pointers.set(event.pointerId, { x, y });
    this.stage.redraw();
  }

  /** @param {number} id @param {number} x @param {number} y */
  pinch(id, x, y) {
    const moved = this.pointers.get(id);
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (!moved || !other) return;
    const was = Math.hypot(moved.x - other.x, moved.y - other.y);
    const is = Math.hypot(x - other.x, y - other.y);
    this.stage.view.pan((x - moved.x) / 2, (y - moved.y) / 2);
    if (was > 0) this.stage.view.zoom(is / was, (x + other.x) / 2, (y + other.y) / 2);
  }

  /** @param {PointerEvent} event @param {boolean} cancelled */
  up(event, cancelled = false) {
    this.pointers.delete(event.pointerId);
    this.panning = false;
    this.stage.box.classList.remove("panning");
    if (event.pointerType === "touch") this.ring.hidden = true;
    if (cancelled) this.discard();
    else this.finish();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!this.stage.session) return;
    event.preventDefault();
    const turn = -(event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 16 : 1);
    const [x, y] = this.position(event);
    if (event.shiftKey || event.altKey) {
      this.resize(Math.exp(Math.max(-50, Math.min(50, turn)) * 0.003));
      this.showRing(x, y);
    } else {
      this.stage.view.zoom(Math.exp(turn * (event.ctrlKey ? 0.01 : 0.002)), x, y);
      this.showRing(x, y);
      this.stage.redraw();
    }
  }

  /** @param {number} factor */
  resize(factor) {
    const { size } = this.settings;
    const step = factor > 1 ? Math.max(size + 1, size * factor) : Math.min(size - 1, size * factor);
    this.settings.size = Math.min(BRUSH_SIZES.max, Math.max(BRUSH_SIZES.min, Math.round(step)));
    this.callbacks.onResize();
  }

  /** Show the brush's size for a moment, in the middle of the visible stage. */
  previewSize() {
    if (!this.stage.session || !this.tool.sized) return;
    const { left, top, width, height } = this.stage.box.getBoundingClientRect();
    const panel = byId("panel").getBoundingClientRect();
    const over = panel.height > 0 && panel.left < left + width && panel.top < top + height;
    const beside = over && panel.left > left; // the panel lies over a part of the stage
    const x = (beside ? panel.left - left : width) / 2;
    this.showRing(x, (over && !beside ? panel.top - top : height) / 2);
    clearTimeout(this.hideTimer);
    this.hideTimer = setTimeout(() => (this.ring.hidden = true), 900);
  }

  /** Show the brush as a ring. @param {number} x @param {number} y on the stage */
  showRing(x, y) {
    this.at = [x, y];
    this.ring.hidden = !this.tool.sized || this.spaceDown || this.frozen || this.stage.sliding;
    const side = this.settings.size * this.stage.view.scale;
    this.ring.style.width = this.ring.style.height = `${side}px`;
    this.ring.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
  }
}
