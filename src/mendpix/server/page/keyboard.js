/** The keyboard: a cursor that paints, moved by the arrow keys, and shortcuts. */

/** @import {PointerInput} from "./pointer.js" */
import { byId } from "./dom.js";

export class KeyboardCursor {
  /** @param {PointerInput} pointer @param {(x: number, y: number, down: boolean) => void} onMove */
  constructor(pointer, onMove) {
    this.pointer = pointer;
    this.onMove = onMove;
    this.mark = byId("cross");
    this.x = 0;
    this.y = 0;
    this.down = false;
    const { box: area } = pointer.stage;
    area.addEventListener("keydown", (event) => this.key(event));
    area.addEventListener("blur", () => this.release());
    area.addEventListener("drawn", () => this.place());
  }

  centre() {
    const { view } = this.pointer.stage;
    [this.x, this.y] = [Math.floor(view.width / 2) + 0.5, Math.floor(view.height / 2) + 0.5];
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { stage } = this.pointer;
    if (event.target !== stage.box || !stage.session || stage.sliding) return;
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[
      event.key
    ];
    if (direction && !event.ctrlKey && !event.metaKey) {
      const step = event.altKey ? 1 : Math.max(1, Math.round((event.shiftKey ? 48 : 8) / stage.view.scale));
      this.move(direction[0] * step, direction[1] * step);
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.press();
    else if (event.key === "Escape" && this.down) this.cancel();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    const { stage } = this.pointer;
    this.x = Math.min(stage.view.width - 0.5, Math.max(0.5, this.x + dx));
    this.y = Math.min(stage.view.height - 0.5, Math.max(0.5, this.y + dy));
    stage.view.reveal(this.x, this.y);
    if (this.down) {
      this.pointer.extend(this.x, this.y);
      this.pointer.updateDraft();
    }
    this.announce();
  }

  press() {
    const { pointer } = this;
    if (pointer.frozen || pointer.settings.tool === "hand") return;
    if (pointer.settings.tool === "inside") pointer.fillOutline(this.x, this.y);
    else if (this.down) this.release();
    else {
      pointer.start([this.x, this.y], false);
      this.down = true;
    }
    this.announce();
  }

  release() {
    if (this.down) this.pointer.finish();
    this.down = false;
    this.place();
  }

  cancel() {
    this.down = false;
    this.pointer.discard();
    this.announce();
  }

  announce() {
    this.onMove(Math.floor(this.x), Math.floor(this.y), this.down);
    this.pointer.stage.redraw();
  }

  place() {
    const [x, y] = this.pointer.stage.view.toStage(this.x, this.y);
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

/** Pan while Space is down. @param {PointerInput} pointer */
export function panWithSpace(pointer) {
  const set = (/** @type {boolean} */ down) => {
    pointer.spaceDown = down;
    pointer.stage.maskCanvas.classList.toggle("movable", down);
  };
  document.addEventListener("keydown", (event) => {
    const { target } = event;
    if (event.key !== " " || (target !== document.body && target !== pointer.stage.box)) return;
    event.preventDefault();
    set(true);
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === " ") set(false);
  });
  window.addEventListener("blur", () => set(false));
  document.addEventListener("keydown", ({ key }) => {
    if (key === "Tab" || key === "Enter" || key.startsWith("Arrow")) {
      document.body.classList.add("keyboard"); // shows the focus and the cursor
    }
  });
  document.addEventListener("pointerdown", () => document.body.classList.remove("keyboard"));
}

/** Return the focus to the stage after a click on a toolbar button. @param {HTMLElement} stage */
export function returnFocus(stage) {
  document.addEventListener("click", ({ detail, target }) => {
    const clicked = target instanceof Element ? target.closest(".tools button, .top button") : null;
    const mouse = detail > 0; // 0: activated by a key
    if (mouse && clicked && document.activeElement === clicked) stage.focus({ preventScroll: true });
  });
}
