/** The visible part of the picture, and its zoom. */

const LARGEST = 32; // CSS pixels per pixel of the picture

export class Viewport {
  constructor() {
    this.width = 1; // of the picture
    this.height = 1;
    this.across = 1; // of the stage, CSS pixels
    this.down = 1;
    this.scale = 1; // CSS pixels per pixel of the picture
    this.x = 0; // where its corner is, CSS pixels
    this.y = 0;
    this.fitted = true;
  }

  /** @param {number} width @param {number} height of a picture */
  show(width, height) {
    [this.width, this.height] = [width, height];
    this.fit();
  }

  /** @param {number} across @param {number} down of the stage */
  resize(across, down) {
    const [dx, dy] = [(across - this.across) / 2, (down - this.down) / 2];
    [this.across, this.down] = [across, down];
    if (this.fitted) this.fit();
    else this.pan(dx, dy);
  }

  /** @returns {number} the scale at which all of the picture is seen */
  get whole() {
    const margin = Math.min(24, this.across / 40);
    const scale = Math.min(
      (this.across - 2 * margin) / this.width,
      (this.down - 2 * margin) / this.height,
    );
    return Math.max(1e-3, Math.min(scale, 2));
  }

  fit() {
    this.scale = this.whole;
    this.x = (this.across - this.width * this.scale) / 2;
    this.y = (this.down - this.height * this.scale) / 2;
    this.fitted = true;
  }

  /**
   * @param {number} factor
   * @param {number} [x] the place on the stage that stays, else the middle
   * @param {number} [y]
   */
  zoom(factor, x = this.across / 2, y = this.down / 2) {
    const least = Math.min(this.whole / 2, 1);
    const scale = Math.min(LARGEST, Math.max(least, this.scale * factor));
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.pan(0, 0);
  }

  /** @param {number} dx @param {number} dy CSS pixels; part of the picture always stays visible */
  pan(dx, dy) {
    const keep = 48;
    const [wide, high] = [this.width * this.scale, this.height * this.scale];
    this.x = Math.min(this.across - keep, Math.max(keep - wide, this.x + dx));
    this.y = Math.min(this.down - keep, Math.max(keep - high, this.y + dy));
    this.fitted = false;
  }

  /** Scroll a place of the picture into view. @param {number} x @param {number} y */
  reveal(x, y) {
    const margin = 40;
    const [sx, sy] = this.toStage(x, y);
    const dx = Math.max(0, margin - sx) - Math.max(0, sx - (this.across - margin));
    const dy = Math.max(0, margin - sy) - Math.max(0, sy - (this.down - margin));
    if (dx || dy) this.pan(dx, dy);
  }

  /** @param {number} x @param {number} y @returns {[number, number]} */
  toPicture(x, y) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }

  /** @param {number} x @param {number} y @returns {[number, number]} */
  toStage(x, y) {
    return [x * this.scale + this.x, y * this.scale + this.y];
  }
}
