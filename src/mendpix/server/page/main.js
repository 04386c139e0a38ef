/** Starts the page: opens pictures and connects every button and key to an action. */

/** @import {About, Job, Picture} from "./types.js" */
import * as api from "./api.js";
import { BatchDialog } from "./batch.js";
import { listenToSlider, showBrushSize } from "./brush-size.js";
import { Compare } from "./compare.js";
import { button, byId, download, input, pickFiles } from "./dom.js";
import { onFileDrop } from "./file-drop.js";
import { fill, fillAgain } from "./fill.js";
import { FillSettings } from "./fill-settings.js";
import { browseFolder } from "./folder-browser.js";
import { showHelp } from "./help.js";
import { describeError, describeWarnings, t } from "./i18n.js";
import { JobRunner } from "./jobs.js";
import { KeyboardCursor, panWithSpace, returnFocus, shortcuts } from "./keyboard.js";
import * as masks from "./mask-actions.js";
import { makeDialogsClosable, togglePanel } from "./panels.js";
import { PointerInput } from "./pointer.js";
import { initPreferences, placePreferences } from "./preferences.js";
import { Session } from "./session.js";
import { Stage } from "./stage.js";
import { showHistory, showTries } from "./thumbnails.js";
import { toast } from "./toast.js";
import { makeToolbar } from "./toolbar.js";
import { TOOLS } from "./tools.js";

const stage = new Stage();
const settings = new FillSettings();
const runner = new JobRunner();
const compare = new Compare(stage, () => refresh());
const pointer = new PointerInput(stage, settings, {
  onStroke: () => {
    if (input("on-release").checked && !session?.isEmpty) fillMask();
  },
  onResize: () => showBrushSize(settings, session),
  onMessage: (key) => toast(t(key)),
});
const cursor = new KeyboardCursor(pointer, (x, y, down) => {
  announce(t(down ? "drawing" : "at", { x, y }));
});
/** @type {Session | null} */
let session = null;
/** @type {(retry: api.RetryOptions) => Promise<Picture>} uploads the open picture again */
let reopen = () => Promise.reject(new Error("nothing is open"));
/** @type {WeakMap<Session, BatchDialog>} */
const batches = new WeakMap();
/** @type {About | null} */
let server = null;
/** Id of the picture that was downloaded last, or of the original. */
let savedId = "";

/** @param {string} text for screen readers */
function announce(text) {
  byId("status").textContent = text;
}

/**
 * Run an action unless one is running, and report its error.
 *
 * @param {() => Promise<string | void>} act resolves to an announcement
 */
async function runExclusive(act) {
  if (runner.busy) return;
  pointer.frozen = true;
  byId("stage").classList.add("busy");
  try {
    const action = act();
    refresh();
    const text = await action;
    if (text) announce(text);
  } catch (error) {
    const { code } = /** @type {{code?: string}} */ (error ?? {});
    toast(code === "gone" && session ? await reopenPicture().catch(describeError) : describeError(error));
  } finally {
    runner.end();
    pointer.frozen = false;
    byId("stage").classList.remove("busy");
    refresh();
  }
}

const hasUnsavedFill = () => Boolean(session?.isFilled && session.now.picture.id !== savedId);

/** Upload the picture to a server that has dropped it, and keep the marks. */
async function reopenPicture() {
  if (!session) return "";
  const ops = [...session.now.ops];
  startSession(await reopen(runner.begin()));
  session.history.push({ ops, label: "opened" });
  session.notify();
  return t("revived");
}

/** @param {typeof reopen} get @param {string} name */
const openPicture = (get, name) =>
  runExclusive(async () => {
    if (hasUnsavedFill() && !confirm(t("discard"))) return;
    const retry = runner.begin();
    runner.say(t("uploading", { name }));
    const picture = await get(retry);
    reopen = get;
    startSession(picture);
    await session?.getLayer(picture).ready;
    stage.box.focus({ preventScroll: true });
    const { width, height } = picture;
    return t("opened", { name: picture.name, width, height });
  });

/** @param {File} file */
function openFile(file) {
  const limit = server?.limits.bytes ?? Infinity;
  if (!file.size) toast(t("emptyFile", { name: file.name }));
  else if (file.size > limit) toast(t("largeFile", { name: file.name, n: Math.floor(limit / 1e6) }));
  else openPicture((retry) => api.uploadPicture(file, file.name || "picture.png", retry), file.name);
}

/** @param {Picture} picture */
function startSession(picture) {
  session = new Session(picture);
  session.addEventListener("change", () => refresh());
  compare.set(false);
  document.body.classList.add("open");
  placePreferences();
  byId("welcome").hidden = true;
  stage.show(session);
  cursor.centre();
  const bits = picture.bits > 8 ? ` · ${picture.bits} bit` : "";
  byId("name").textContent = `${picture.name} · ${picture.width} × ${picture.height}${bits}`;
  byId("name").title = picture.name;
  settings.size = Math.max(2, Math.round(settings.share * Math.max(picture.width, picture.height)));
  savedId = picture.id;
  refresh();
}

/** Enable and disable buttons, and redraw the panel. */
function refresh() {
  if (!session) return;
  const { history } = session;
  button("undo").disabled = !history.canUndo || runner.busy;
  button("redo").disabled = !history.canRedo || runner.busy;
  button("fill").disabled = runner.busy;
  button("clear").disabled = session.isEmpty && !session.hasGuides;
  for (const id of ["grow", "mask-down", "batch"]) button(id).disabled = session.isEmpty;
  for (const id of ["hold", "slide"]) button(id).disabled = !session.isFilled;
  if (!session.isFilled) compare.set(false);
  showTries(session);
  showHistory(session);
  showBrushSize(settings, session);
}

/** @param {string} name */
function chooseTool(name) {
  settings.tool = name;
  for (const one of byId("tools").querySelectorAll("button")) {
    one.setAttribute("aria-pressed", String(one.id === `tool-${name}`));
  }
  stage.maskCanvas.dataset.tool = name;
  compare.set(false);
  announce(t("toolIs", { tool: t(name) }));
}

const fillMask = () =>
  runExclusive(async () => {
    if (!session) return;
    if (session.isEmpty) throw new Error(t("nothingMarked"));
    compare.set(false);
    return describeResult(await fill(session, runner, settings.order));
  });

const tryAgain = () => runExclusive(async () => (session ? describeResult(await fillAgain(session, runner)) : undefined));

/** @param {Job} job @returns {string} */
function describeResult(job) {
  const text = describeWarnings(job);
  if (text) toast(text);
  return job.state === "cancelled" ? t("cancelled") : describeFill(job);
}

/** @param {Job} job @returns {string} */
function describeFill(job) {
  const seconds = job.seconds.toFixed(1);
  const n = Math.max(0, ...job.results.map((result) => result.grow ?? 0));
  const grown = n ? ` ${t("grown", { n })}` : "";
  if (!job.generator) return t("filled", { seconds }) + grown;
  const { name, sha256 } = job.generator;
  return t("filledWith", { seconds, name, hash: sha256.slice(0, 8) }) + grown;
}

const chooseFile = async () => {
  const [file] = await pickFiles(acceptedTypes(), false);
  if (file) openFile(file);
};

const chooseFromFolder = () => browseFolder((path) => openPicture((retry) => api.openFromFolder(path, retry), path));
const acceptedTypes = () => ["image/*", ...(server?.reads ?? [])].join(",");

async function loadMask() {
  const [file] = await pickFiles(acceptedTypes(), false);
  if (!file) return;
  runExclusive(async () => {
    if (session) await masks.loadMask(session, file, runner.begin());
    return t("maskLoaded");
  });
}

const findSpecks = () =>
  runExclusive(async () => {
    if (!session) return;
    const retry = runner.begin();
    runner.say(t("looking"));
    const n = await masks.markSpecks(session, Number(input("sensitivity").value), retry);
    toast(t(n ? "foundSpecks" : "foundNone", { n }));
  });

/** @param {(session: Session) => void} act @returns {() => void} */
const edit = (act) => () => {
  if (session && !runner.busy) act(session);
};

/** @param {number} factor */
const zoom = (factor) => {
  stage.view.zoom(factor);
  stage.redraw();
};
const fit = () => {
  stage.view.fit();
  stage.redraw();
};
const undo = edit((s) => s.undo());
const redo = edit((s) => s.redo());
const invert = edit((s) => s.add({ kind: "invert" }));
const clear = edit((s) => {
  if (!s.isEmpty || s.hasGuides) s.add({ kind: "clear" });
});
const downloadPicture = () =>
  runExclusive(async () => {
    if (!session) return;
    const { id, name } = await api.getPicture(session.now.picture.id); // it may be gone
    download(api.fileUrl(id), name);
    savedId = id;
  });
const grow = edit((s) => masks.growMask(s, Math.min(200, Math.max(1, Number(input("grow-by").value)))));
const batch = () => {
  if (!session) return;
  const fresh = new BatchDialog(session, runner, () => settings.order, server?.folder ?? false, acceptedTypes());
  const dialog = batches.get(session) ?? fresh; // one dialog per session keeps its results
  batches.set(session, dialog);
  dialog.open();
};

/** @type {[string, () => void][]} */
const CLICKS = [
  ["open", chooseFile], ["pick", chooseFile], ["undo", undo], ["redo", redo], ["zoom", fit],
  ["zoom-in", () => zoom(1.25)], ["zoom-out", () => zoom(0.8)], ["fill", fillMask],
  ["download", downloadPicture], ["invert", invert], ["clear", clear], ["grow", grow],
  ["mask-up", loadMask], ["mask-down", edit((s) => masks.saveMask(s))], ["specks", findSpecks], ["again", tryAgain],
  ["batch", batch], ["help", showHelp],
  ["browse", chooseFromFolder], ["browse-top", chooseFromFolder],
  ["panel-toggle", () => togglePanel()],
];

/** @type {Record<string, () => void>} */
const KEYS = {
  "ctrl+z": undo, "ctrl+shift+z": redo, "ctrl+y": redo, "ctrl+o": chooseFile, "ctrl+s": downloadPicture,
  "ctrl+enter": () => fillMask(), f: () => fillMask(), i: invert, delete: clear, backspace: clear,
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit,
  1: () => zoom(1 / stage.ratio / stage.view.scale),
  "[": () => pointer.resize(0.87), "]": () => pointer.resize(1.15), s: () => compare.toggle(),
  escape: () => runner.cancel(), "?": showHelp,
  ...Object.fromEntries(Object.entries(TOOLS).map(([name, { key }]) => [key, () => chooseTool(name)])),
};

function addListeners() {
  for (const [id, act] of CLICKS) button(id).addEventListener("click", act);
  shortcuts(KEYS, () => session !== null);
  panWithSpace(pointer);
  returnFocus(stage.box);
  compare.listen();
  listenToSlider(settings, pointer, () => showBrushSize(settings, session));
  const showSensitivity = () => (byId("sensitivity-out").textContent = input("sensitivity").value);
  showSensitivity();
  input("sensitivity").addEventListener("input", showSensitivity);
  input("sensitivity").addEventListener("change", () => {
    const last = session?.now.ops.at(-1);
    if (last?.kind === "tiles" && last.from === "specks") findSpecks();
  });
  stage.box.addEventListener("drawn", () => {
    const percent = `${Math.round(100 * stage.view.scale * stage.ratio)} %`;
    if (button("zoom").textContent !== percent) button("zoom").textContent = percent;
  });
  makeDialogsClosable();
  onFileDrop(openFile);
  stage.box.addEventListener("pointerdown", () => togglePanel(false));
  window.addEventListener("beforeunload", (event) => {
    if (hasUnsavedFill()) event.preventDefault();
  });
}

async function boot() {
  makeToolbar(chooseTool);
  initPreferences(() => {
    settings.render();
    refresh();
  });
  addListeners();
  chooseTool("brush");
  server = await api.getServerInfo();
  for (const id of ["browse", "browse-top"]) button(id).hidden = !server.folder;
  input("count").max = String(server.limits.tries);
  await settings.load();
  document.body.classList.add("ready");
}

boot().catch((error) => toast(describeError(error)));
