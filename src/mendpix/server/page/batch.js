/** The same mask over many pictures. */

/** @import {Job} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { find, make, pick, save } from "./dom.js";
import { sendMask } from "./fill.js";
import { list } from "./folder.js";
import { complaint, t } from "./i18n.js";

/** @typedef {{name: string, file: File | null, path: string | null}} Entry */

export class Batch {
  /**
   * @param {Session} session
   * @param {import("./fill.js").Work} work
   * @param {() => Record<string, any>} choice how to fill
   * @param {boolean} folder whether there is one to browse
   * @param {string} reads extensions
   */
  constructor(session, work, choice, folder, reads) {
    this.session = session;
    this.work = work;
    this.choice = choice;
    this.folder = folder;
    this.reads = reads;
    /** @type {Entry[]} */
    this.entries = [];
    this.stretch = make("input", { type: "checkbox" });
    this.dialog = find("batch-dialog", HTMLDialogElement);
    this.body = find("batch-body", HTMLElement);
    this.note = make("p", { role: "status" });
    this.shelf = make("div", {});
    this.bar = make("progress", { max: 1, hidden: true });
    this.results = make("div", {});
    this.running = false;
  }

  open() {
    this.dialog.showModal();
    this.render();
  }

  render() {
    const button = (/** @type {string} */ key, /** @type {() => void} */ act) => {
      const made = make("button", { type: "button" }, t(key, { n: this.entries.length }));
      made.addEventListener("click", act);
      return made;
    };
    const run = button("batchRun", () => this.run());
    run.className = "primary";
    run.disabled = this.running || !this.entries.length;
    const adders = [button("addFiles", () => this.addFiles())];
    if (this.folder) adders.push(button("addFolder", () => this.addFolder()));
    this.body.replaceChildren(
      make("p", {}, t("batchMore")),
      make("p", { className: "choices" }, ...adders),
      this.shelf,
      make("ul", { className: "entries" }, ...this.entries.map((entry) => this.row(entry))),
      make("label", { className: "check" }, this.stretch, t("stretch")),
      make("p", { className: "choices" }, run),
      this.bar,
      this.note,
      this.results,
    );
  }

  /** @param {Entry} entry @returns {HTMLElement} */
  row(entry) {
    const remove = make("button", { className: "plain" }, t("remove"));
    remove.setAttribute("aria-label", `${t("remove")}: ${entry.name}`);
    remove.addEventListener("click", () => {
      this.entries = this.entries.filter((one) => one !== entry);
      this.render();
    });
    return make("li", {}, make("span", {}, entry.name), remove);
  }

  async addFiles() {
    const files = await pick(this.reads, true);
    for (const file of files) this.entries.push({ name: file.name, file, path: null });
    this.render();
  }

  addFolder() {
    list(this.shelf, "", ({ path, name }) => {
      if (!this.entries.some((one) => one.path === path)) {
        this.entries.push({ name, file: null, path });
      }
      const { scrollTop } = this.dialog;
      this.render();
      this.dialog.scrollTop = scrollTop;
    });
  }

  async run() {
    if (this.work.busy) return;
    const stop = make("button", { type: "button" }, t("cancel"));
    stop.addEventListener("click", () => this.work.cancel());
    this.running = true;
    this.shelf.replaceChildren();
    this.results.replaceChildren(stop);
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    this.render();
    try {
      await this.fillAll();
    } catch (error) {
      this.note.textContent = complaint(error);
      this.results.replaceChildren();
    }
    this.running = false;
    this.bar.hidden = true;
    this.work.end();
    this.render();
  }

  async fillAll() {
    const { signal } = this.work.begin();
    const waiting = (/** @type {number} */ n) => {
      if (n) this.say(t("busyWait", { n: Math.ceil(n) }));
    };
    const patience = { ...(signal && { signal }), waiting };
    const names = new Map();
    for (const { file, name } of this.entries) {
      if (!file) continue;
      this.say(t("uploading", { name }));
      names.set((await api.upload(file, name, patience)).id, name);
    }
    const folder = this.entries.flatMap(({ path }) => path ?? []);
    const mask = await sendMask(this.session, patience);
    const order = { ...this.choice(), tries: 1, mask, pictures: [...names.keys()], folder };
    const said = ({ progress = 0, position = 0 }) => {
      this.bar.value = progress;
      const percent = Math.round(100 * progress);
      this.note.textContent = position ? t("queued", { n: position }) : t("running", { percent });
    };
    const wanted = { ...order, fit_mask: this.stretch.checked };
    this.done(await this.work.run(wanted, patience, said), names);
  }

  /** @param {string} text */
  say(text) {
    this.work.say(text);
    this.note.textContent = text;
  }

  /** @param {Job} job @param {Map<string, string>} names of what was uploaded, by id */
  done(job, names) {
    this.note.textContent = t("batchDone", { n: job.results.length, total: job.total });
    const all = make("button", { className: "primary", id: "save-all" }, t("saveAll"));
    all.addEventListener("click", () => save(api.zipUrl(job.id)));
    const ones = job.results.map(({ picture }) => {
      const link = make("a", { href: api.fileUrl(picture.id), download: "" }, t("saveOne"));
      link.setAttribute("aria-label", `${t("saveOne")}: ${picture.name}`);
      return make("li", {}, make("span", {}, picture.name), link);
    });
    const failures = job.errors.map(({ source, message }) =>
      make("li", { className: "wrong" }, `${names.get(source) ?? source}: ${message}`),
    );
    const listed = make("ul", { className: "entries" }, ...ones, ...failures);
    this.results.replaceChildren(...(job.results.length ? [all] : []), listed);
  }
}
