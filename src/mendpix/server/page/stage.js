/** The canvases of picture and mask, and the split line between before and after. */

/** @import {Op} from "./types.js" */
/** @import {Layer} from "./layer.js" */
/** @import {Session} from "./session.js" */
import { byId, find } from "./dom.js";
import { guideOps, isGuide, markOps, paintGuides } from "./guides.js";
import { paint, paintPixels } from "./overlay.js";
import { Viewport } from "./viewport.js";

const EXACT = 3; // device pixels per pixel of the picture from which its pixels are visible
export const COLOUR = "#ff2d6f"; // of the mask; its canvas is translucent

export class Stage {
  constructor() {
    this.box = byId("stage");
    this.canvas = find("photo", HTMLCanvasElement);
    this.maskCanvas = find("mask", HTMLCanvasElement);
    this.line = byId("split");
    this.view = new Viewport();
    /** @type {Session | null} */
    this.session = null;
    /** @type {Op | null} the operation being drawn */
    this.draft = null;
    this.showOriginal = false; // while a key or button is held
    this.sliding = false;
    this.share = 0.5; // of the stage that shows the original while sliding
    this.ratio = 1;
    this.frameRequest = 0;
    /** @type {Layer | null} the layer drawn last, shown until the next one has loaded */
    this.lastLayer = null;
    this.photoKey = ""; // identify what is drawn, to skip redundant redraws
    this.maskKey = "";
    /** @type {readonly Op[] | null} */
    this.ops = null;
    /** @type {{ops: readonly Op[], tiles: Map<number, OffscreenCanvas>}} */
    this.pixelTiles = { ops: [], tiles: new Map() };
    /** @type {{points: number[] | null, count: number}} points of the stroke that are drawn already */
    this.drawnStroke = { points: null, count: 0 };
    new ResizeObserver(() => this.measure()).observe(this.box);
    this.measure();
  }

  /** @param {Session | null} session */
  show(session) {
    this.session = session;
    this.draft = this.lastLayer = null;
    this.photoKey = this.maskKey = "";
    if (!session) return;
    this.measure();
    this.view.show(session.original.width, session.original.height);
    session.addEventListener("draw", () => this.redraw());
    this.redraw();
  }

  measure() {
    const { width, height } = this.box.getBoundingClientRect(); // may be fractions
    this.ratio = Math.min(window.devicePixelRatio || 1, 3);
    for (const canvas of [this.canvas, this.maskCanvas]) {
      canvas.width = Math.max(1, Math.round(width * this.ratio));
      canvas.height = Math.max(1, Math.round(height * this.ratio));
    }
    this.view.resize(Math.max(1, width), Math.max(1, height));
    this.photoKey = this.maskKey = "";
    this.redraw();
  }

  redraw() {
    if (this.frameRequest) return;
    this.frameRequest = requestAnimationFrame(() => {
      this.frameRequest = 0;
      if (this.session) this.draw(this.session);
    });
  }

  /** @param {Session} session */
  draw(session) {
    const { view, showOriginal, sliding, share } = this;
    const { original, now } = session;
    const [before, after] = [session.getLayer(original), session.getLayer(now.picture)];
    const place = [view.x, view.y, view.scale, showOriginal, sliding].join();
    const photo = [place, share, before.version, after.picture.id, after.version].join();
    if (photo !== this.photoKey) this.drawPhoto(before, after);
    this.photoKey = photo;
    if (place !== this.maskKey || now.ops !== this.ops || !this.extendStroke()) this.drawMask(session);
    this.maskKey = place;
    this.ops = now.ops;
    this.line.hidden = !this.sliding;
    if (this.sliding) this.line.style.left = `${this.share * 100}%`;
    this.box.dispatchEvent(new Event("drawn"));
  }

  /**
   * Draw only the new part of a growing stroke.
   *
   * @returns {boolean} whether the mask is up to date
   */
  extendStroke() {
    const { draft, drawnStroke, view } = this;
    if (!draft) return !drawnStroke.points;
    const context = this.maskCanvas.getContext("2d");
    if (!context || draft.kind !== "stroke" || drawnStroke.points !== draft.points) return false;
    const fresh = draft.points.slice(Math.max(0, drawnStroke.count - 2));
    drawnStroke.count = draft.points.length;
    context.save();
    context.beginPath();
    context.rect(0, 0, view.width, view.height);
    context.clip();
    paint(context, [{ ...draft, points: fresh }], view.width, view.height, COLOUR);
    context.restore();
    return true;
  }

  /** @param {Layer} before @param {Layer} after */
  drawPhoto(before, after) {
    const context = this.canvas.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.drawBackground(context);
    const layer = this.showOriginal ? before : after;
    const visible = layer.preview ? layer : (this.lastLayer ?? layer);
    visible.draw(context, this.view, this.ratio);
    this.lastLayer = visible;
    if (!this.sliding || this.showOriginal) return;
    context.save();
    context.beginPath();
    context.rect(0, 0, this.share * this.canvas.width, this.canvas.height);
    context.clip();
    before.draw(context, this.view, this.ratio);
    context.restore();
  }

  /** Draw a grey background for transparent parts. @param {CanvasRenderingContext2D} context */
  drawBackground(context) {
    const { view, ratio } = this;
    const [x, y] = [view.x * ratio, view.y * ratio].map(Math.round);
    context.fillStyle = "#8883";
    context.fillRect(
      x,
      y,
      Math.round(view.width * view.scale * ratio),
      Math.round(view.height * view.scale * ratio),
    );
  }

  /** @param {Session} session */
  drawMask(session) {
    const context = this.maskCanvas.getContext("2d");
    if (!context) return;
    const { view, ratio } = this;
    this.drawnStroke = { points: null, count: 0 };
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.maskCanvas.width, this.maskCanvas.height);
    if (this.showOriginal || this.sliding) return;
    const scale = view.scale * ratio;
    context.setTransform(scale, 0, 0, scale, view.x * ratio, view.y * ratio);
    context.save();
    context.beginPath();
    context.rect(0, 0, view.width, view.height);
    context.clip();
    const { draft } = this;
    const ops = markOps(session.now.ops);
    const guides = guideOps(session.now.ops);
    if (scale >= EXACT) {
      if (this.pixelTiles.ops !== ops) this.pixelTiles = { ops, tiles: new Map() };
      const area = [...view.toPicture(0, 0), ...view.toPicture(view.across, view.down)];
      paintPixels(context, session.mask(), area, COLOUR, this.pixelTiles.tiles);
    } else paint(context, ops, view.width, view.height, COLOUR);
    if (draft && isGuide(draft)) guides.push(draft);
    else if (draft) paint(context, [draft], view.width, view.height, COLOUR);
    paintGuides(context, guides, view.scale);
    const points = draft?.kind === "stroke" ? draft.points : draft ? [] : null;
    this.drawnStroke = { points, count: points?.length ?? 0 };
    context.restore();
  }
}
