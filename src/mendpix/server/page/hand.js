/** Mouse, pen and fingers on the stage: painting, panning, pinching, and the ring of the brush. */

/** @import {Stage} from "./stage.js" */
import { box } from "./dom.js";
import { inside } from "./mask.js";
import { TOOLS } from "./tools.js";

export const SIZES = { least: 1, most: 2000 };

export class Hand {
  /**
   * @param {Stage} stage
   * @param {{size: number, tool: string}} settings size: the brush's width in pixels of the picture
   * @param {{released: () => void, sized: () => void, said: (key: string) => void}} tell
   */
  constructor(stage, settings, tell) {
    this.stage = stage;
    this.settings = settings;
    this.tell = tell;
    this.ring = box("ring");
    this.space = false;
    this.frozen = false; // while a fill runs
    /** @type {Map<number, {x: number, y: number}>} */
    this.pointers = new Map();
    /** @type {import("./tools.js").Gesture | null} */
    this.gesture = null;
    this.panning = false;
    /** @type {[number, number]} where the mouse was last seen on the stage */
    this.at = [0, 0];
    this.hiding = 0;
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
      if (!this.ring.hidden) this.show(...this.at); // the zoom may be another one
    });
  }

  get tool() {
    return TOOLS[this.settings.tool];
  }

  /** @param {{clientX: number, clientY: number}} event @returns {[number, number]} on the stage */
  place(event) {
    const { left, top } = this.stage.box.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (!this.stage.session) return;
    this.stage.maskCanvas.setPointerCapture(event.pointerId);
    const [x, y] = this.place(event);
    this.pointers.set(event.pointerId, { x, y });
    if (this.pointers.size > 1) {
      this.drop(); // a second finger: it was to be a pinch
      return;
    }
    this.panning = this.space || event.button === 1 || this.settings.tool === "hand";
    this.stage.box.classList.toggle("panning", this.panning);
    if (this.panning || this.frozen || this.stage.sliding || event.button > 2) return;
    const at = this.stage.view.toPicture(x, y);
    if (this.settings.tool === "inside") this.pour(at[0], at[1]);
    else this.start(at, event.button === 2);
  }

  /** @param {[number, number]} at @param {boolean} erase */
  start(at, erase) {
    this.gesture = { points: [...at], radius: this.settings.size / 2, erase };
    this.sketch();
  }

  /** @param {number} x @param {number} y go on to a place of the picture */
  extend(x, y) {
    const points = this.gesture?.points;
    if (!points) return;
    const least = Math.max(0.25, 0.75 / this.stage.view.scale);
    if (Math.hypot(x - points[points.length - 2], y - points[points.length - 1]) >= least) {
      points.push(x, y);
    }
  }

  sketch() {
    this.stage.draft = this.gesture && this.tool.draft(this.gesture);
    this.stage.redraw();
  }

  drop() {
    this.gesture = null;
    this.sketch();
  }

  finish() {
    const op = this.gesture && this.tool.draft(this.gesture);
    this.gesture = null;
    this.stage.draft = null;
    if (!op || !this.stage.session) return;
    this.stage.session.add(op);
    this.tell.released();
  }

  /** Mark what lies inside an outline. @param {number} x @param {number} y */
  pour(x, y) {
    const session = this.stage.session;
    if (!session) return;
    const tiles = inside(session.mask(), Math.floor(x), Math.floor(y));
    if (!tiles) this.tell.said("outlineOpen");
    else if (tiles.size) {
      session.add({ kind: "tiles", tiles, only: false, from: "inside" });
      this.tell.released();
    }
  }

  /** @param {PointerEvent} event */
  move(event) {
    const [x, y] = this.place(event);
    this.show(x, y);
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    if (this.pointers.size === 2) this.pinch(event.pointerId, x, y);
    else if (this.panning) this.stage.view.pan(x - before.x, y - before.y);
    else if (this.gesture) {
      const all = event.getCoalescedEvents?.() ?? [];
      for (const one of all.length ? all : [event]) {
        this.extend(...this.stage.view.toPicture(...this.place(one)));
      }
      this.sketch();
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
    if (cancelled) this.drop();
    else this.finish();
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!this.stage.session) return;
    event.preventDefault();
    const turn = -(event.deltaY || event.deltaX) * (event.deltaMode === 1 ? 16 : 1);
    const [x, y] = this.place(event);
    if (event.shiftKey || event.altKey) {
      this.resize(Math.exp(Math.max(-50, Math.min(50, turn)) * 0.003));
      this.show(x, y);
    } else {
      this.stage.view.zoom(Math.exp(turn * (event.ctrlKey ? 0.01 : 0.002)), x, y);
      this.show(x, y);
      this.stage.redraw();
    }
  }

  /** @param {number} factor */
  resize(factor) {
    const { size } = this.settings;
    const step = factor > 1 ? Math.max(size + 1, size * factor) : Math.min(size - 1, size * factor);
    this.settings.size = Math.min(SIZES.most, Math.max(SIZES.least, Math.round(step)));
    this.tell.sized();
  }

  /** Show for a moment how large the brush is, in the middle of what can be seen of the stage. */
  preview() {
    if (!this.stage.session || !this.tool.sized) return;
    const { left, top, width, height } = this.stage.box.getBoundingClientRect();
    const panel = box("panel").getBoundingClientRect();
    const over = panel.height > 0 && panel.left < left + width && panel.top < top + height;
    const beside = over && panel.left > left; // the panel lies over a part of the stage
    const x = (beside ? panel.left - left : width) / 2;
    this.show(x, (over && !beside ? panel.top - top : height) / 2);
    clearTimeout(this.hiding);
    this.hiding = setTimeout(() => (this.ring.hidden = true), 900);
  }

  /** The ring around the brush. @param {number} x @param {number} y on the stage */
  show(x, y) {
    this.at = [x, y];
    this.ring.hidden = !this.tool.sized || this.space || this.frozen || this.stage.sliding;
    const side = this.settings.size * this.stage.view.scale;
    this.ring.style.width = this.ring.style.height = `${side}px`;
    this.ring.style.transform = `translate(${x - side / 2}px, ${y - side / 2}px)`;
  }
}
