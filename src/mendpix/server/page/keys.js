/** The keyboard: a cross that is moved by arrows and paints, and one key for everything else. */

/** @import {Hand} from "./hand.js" */
import { box } from "./dom.js";

export class Cross {
  /** @param {Hand} hand @param {(x: number, y: number, down: boolean) => void} said */
  constructor(hand, said) {
    this.hand = hand;
    this.said = said;
    this.mark = box("cross");
    this.x = 0;
    this.y = 0;
    this.down = false;
    const { box: area } = hand.stage;
    area.addEventListener("keydown", (event) => this.key(event));
    area.addEventListener("blur", () => this.lift());
    area.addEventListener("drawn", () => this.place());
  }

  middle() {
    const { view } = this.hand.stage;
    [this.x, this.y] = [Math.floor(view.width / 2) + 0.5, Math.floor(view.height / 2) + 0.5];
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { stage } = this.hand;
    if (event.target !== stage.box || !stage.session || stage.sliding) return;
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (way && !event.ctrlKey && !event.metaKey) {
      const step = event.altKey ? 1 : Math.max(1, Math.round((event.shiftKey ? 48 : 8) / stage.view.scale));
      this.move(way[0] * step, way[1] * step);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.press();
    else if (event.key === "Escape" && this.down) this.cancel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    const { stage } = this.hand;
    this.x = Math.min(stage.view.width - 0.5, Math.max(0.5, this.x + dx));
    this.y = Math.min(stage.view.height - 0.5, Math.max(0.5, this.y + dy));
    stage.view.reveal(this.x, this.y);
    if (this.down) {
      this.hand.extend(this.x, this.y);
      this.hand.sketch();
    }
    this.told();
  }

  press() {
    const { hand } = this;
    if (hand.frozen || hand.settings.tool === "hand") return;
    if (hand.settings.tool === "inside") hand.pour(this.x, this.y);
    else if (this.down) this.lift();
    else {
      hand.start([this.x, this.y], false);
      this.down = true;
    }
    this.told();
  }

  lift() {
    if (this.down) this.hand.finish();
    this.down = false;
    this.place();
  }

  cancel() {
    this.down = false;
    this.hand.drop();
    this.told();
  }

  told() {
    this.said(Math.floor(this.x), Math.floor(this.y), this.down);
    this.hand.stage.redraw();
  }

  place() {
    const [x, y] = this.hand.stage.view.toStage(this.x, this.y);
    this.mark.style.transform = `translate(${x}px, ${y}px)`;
    this.mark.classList.toggle("down", this.down);
  }
}

/**
 * @param {Record<string, () => void>} actions by key, such as "b" or "ctrl+z"
 * @param {() => boolean} ready whether there is a picture
 */
export function shortcuts(actions, ready) {
  document.addEventListener("keydown", (event) => {
    const typing =
      event.target instanceof HTMLElement &&
      event.target.closest("input:not([type=range], [type=checkbox]), select, textarea");
    const control = event.ctrlKey || event.metaKey;
    if (document.querySelector("dialog[open]") || (typing && !control)) return;
    const key = event.key === " " ? "space" : event.key.toLowerCase();
    const name = (control ? "ctrl+" : "") + (control && event.shiftKey ? "shift+" : "") + key;
    const act = actions[name];
    if (!act || event.altKey || (!ready() && name !== "ctrl+o" && name !== "?")) return;
    event.preventDefault();
    act();
  });
}

/** While Space is down the hand moves the picture. @param {Hand} hand */
export function spaceMoves(hand) {
  const set = (/** @type {boolean} */ down) => {
    hand.space = down;
    hand.stage.maskCanvas.classList.toggle("movable", down);
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== " " || (target !== document.body && target !== hand.stage.box)) return;
    event.preventDefault();
    set(true);
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") set(false);
  });
  window.addEventListener("blur", () => set(false));
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Tab" || key === "Enter" || key.startsWith("Arrow")) {
      document.body.classList.add("keyboard"); // from now on the focus and the cross are shown
    }
  });
  document.addEventListener("pointerdown", () => document.body.classList.remove("keyboard"));
}

/** After a click on a button of the bars, keys belong to the stage. @param {HTMLElement} stage */
export function giveBack(stage) {
  document.addEventListener("click", ({ detail, target }) => {
    const clicked = target instanceof Element ? target.closest(".tools button, .top button") : null;
    const mouse = detail > 0; // 0: by a key
    if (mouse && clicked && document.activeElement === clicked) stage.focus({ preventScroll: true });
  });
}
