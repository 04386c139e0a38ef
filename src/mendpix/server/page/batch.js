/** The dialog that fills several pictures with the same mask. */

/** @import {Job} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { createElement, download, find, pickFiles } from "./dom.js";
import { uploadMask } from "./fill.js";
import { showFolder } from "./folder-browser.js";
import { describeError, t } from "./i18n.js";

/** @typedef {{name: string, file: File | null, path: string | null}} Entry */

export class BatchDialog {
  /**
   * @param {Session} session
   * @param {import("./jobs.js").JobRunner} runner
   * @param {() => Record<string, any>} choice how to fill
   * @param {boolean} folder whether there is one to browse
   * @param {string} reads extensions
   */
  constructor(session, runner, choice, folder, reads) {
    this.session = session;
    this.runner = runner;
    this.choice = choice;
    this.folder = folder;
    this.reads = reads;
    /** @type {Entry[]} */
    this.entries = [];
    this.stretch = createElement("input", { type: "checkbox" });
    this.dialog = find("batch-dialog", HTMLDialogElement);
    this.body = find("batch-body", HTMLElement);
    this.note = createElement("p", { role: "status" });
    this.shelf = createElement("div", {});
    this.bar = createElement("progress", { max: 1, hidden: true });
    this.results = createElement("div", {});
    this.running = false;
  }

  open() {
    this.dialog.showModal();
    this.render();
  }

  render() {
    const button = (/** @type {string} */ key, /** @type {() => void} */ act) => {
      const element = createElement("button", { type: "button" }, t(key, { n: this.entries.length }));
      element.addEventListener("click", act);
      return element;
    };
    const run = button("batchRun", () => this.run());
    run.className = "primary";
    run.disabled = this.running || !this.entries.length;
    const adders = [button("addFiles", () => this.addFiles())];
    if (this.folder) adders.push(button("addFolder", () => this.addFolder()));
    this.body.replaceChildren(
      createElement("p", {}, t("batchMore")),
      createElement("p", { className: "choices" }, ...adders),
      this.shelf,
      createElement("ul", { className: "entries" }, ...this.entries.map((entry) => this.row(entry))),
      createElement("label", { className: "check" }, this.stretch, t("stretch")),
      createElement("p", { className: "choices" }, run),
      this.bar,
      this.note,
      this.results,
    );
  }

  /** @param {Entry} entry @returns {HTMLElement} */
  row(entry) {
    const remove = createElement("button", { className: "plain" }, t("remove"));
    remove.setAttribute("aria-label", `${t("remove")}: ${entry.name}`);
    remove.addEventListener("click", () => {
      this.entries = this.entries.filter((one) => one !== entry);
      this.render();
    });
    return createElement("li", {}, createElement("span", {}, entry.name), remove);
  }

  async addFiles() {
    const files = await pickFiles(this.reads, true);
    for (const file of files) this.entries.push({ name: file.name, file, path: null });
    this.render();
  }

  addFolder() {
    showFolder(this.shelf, "", ({ path, name }) => {
      if (!this.entries.some((one) => one.path === path)) {
        this.entries.push({ name, file: null, path });
      }
      const { scrollTop } = this.dialog;
      this.render();
      this.dialog.scrollTop = scrollTop;
    });
  }

  async run() {
    if (this.runner.busy) return;
    const stop = createElement("button", { type: "button" }, t("cancel"));
    stop.addEventListener("click", () => this.runner.cancel());
    this.running = true;
    this.shelf.replaceChildren();
    this.results.replaceChildren(stop);
    this.bar.hidden = false;
    this.bar.removeAttribute("value");
    this.render();
    try {
      await this.fillAll();
    } catch (error) {
      this.note.textContent = describeError(error);
      this.results.replaceChildren();
    }
    this.running = false;
    this.bar.hidden = true;
    this.runner.end();
    this.render();
  }

  async fillAll() {
    const { signal } = this.runner.begin();
    const onWait = (/** @type {number} */ n) => {
      if (n) this.say(t("busyWait", { n: Math.ceil(n) }));
    };
    const retry = { ...(signal && { signal }), onWait };
    const names = new Map();
    for (const { file, name } of this.entries) {
      if (!file) continue;
      this.say(t("uploading", { name }));
      names.set((await api.uploadPicture(file, name, retry)).id, name);
    }
    const folder = this.entries.flatMap(({ path }) => path ?? []);
    const mask = await uploadMask(this.session, retry);
    const order = { ...this.choice(), tries: 1, mask, pictures: [...names.keys()], folder };
    const onProgress = ({ progress = 0, position = 0 }) => {
      this.bar.value = progress;
      const percent = Math.round(100 * progress);
      this.note.textContent = position ? t("queued", { n: position }) : t("running", { percent });
    };
    const stretched = { ...order, fit_mask: this.stretch.checked };
    this.showResults(await this.runner.run(stretched, retry, onProgress), names);
  }

  /** @param {string} text */
  say(text) {
    this.runner.say(text);
    this.note.textContent = text;
  }

  /** @param {Job} job @param {Map<string, string>} names of what was uploaded, by id */
  showResults(job, names) {
    this.note.textContent = t("batchDone", { n: job.results.length, total: job.total });
    const all = createElement("button", { className: "primary", id: "save-all" }, t("saveAll"));
    all.addEventListener("click", () => download(api.zipUrl(job.id)));
    const ones = job.results.map(({ picture }) => {
      const link = createElement("a", { href: api.fileUrl(picture.id), download: "" }, t("saveOne"));
      link.setAttribute("aria-label", `${t("saveOne")}: ${picture.name}`);
      return createElement("li", {}, createElement("span", {}, picture.name), link);
    });
    const failures = job.errors.map(({ source, message }) =>
      createElement("li", { className: "wrong" }, `${names.get(source) ?? source}: ${message}`),
    );
    const listed = createElement("ul", { className: "entries" }, ...ones, ...failures);
    this.results.replaceChildren(...(job.results.length ? [all] : []), listed);
  }
}
