/** Starts the page: opens pictures and gives every button and key its work. */

/** @import {About, Job, Picture} from "./types.js" */
import * as api from "./api.js";
import { Batch } from "./batch.js";
import { Compare } from "./compare.js";
import { box, button, input, pick, save } from "./dom.js";
import { Work, again, fill } from "./fill.js";
import { browse } from "./folder.js";
import { Hand } from "./hand.js";
import { help, toolbar } from "./help.js";
import { complaint, t, warnings } from "./i18n.js";
import { Cross, giveBack, shortcuts, spaceMoves } from "./keys.js";
import { looks, settle } from "./looks.js";
import * as masks from "./masks.js";
import { arriving, closable, toast, togglePanel } from "./page.js";
import { Session } from "./session.js";
import { Settings } from "./settings.js";
import { showSize, wireSize } from "./size.js";
import { Stage } from "./stage.js";
import { TOOLS } from "./tools.js";
import { showHistory, showTries } from "./tries.js";

const stage = new Stage();
const settings = new Settings();
const work = new Work();
const compare = new Compare(stage, () => changed());
const hand = new Hand(stage, settings, {
  released: () => {
    if (input("on-release").checked && !session?.empty) mend();
  },
  sized: () => showSize(settings, session),
  said: (key) => toast(t(key)),
});
const cross = new Cross(hand, (x, y, down) => {
  say(t(down ? "drawing" : "at", { x, y }));
});
/** @type {Session | null} */
let session = null;
/** @type {(patience: api.Patience) => Promise<Picture>} how the open picture comes to the server */
let source = () => Promise.reject(new Error("nothing is open"));
/** @type {WeakMap<Session, Batch>} */
const batches = new WeakMap();
/** @type {About | null} */
let server = null;
/** The id of the picture that needs no saving. */
let saved = "";

/** @param {string} text for screen readers */
function say(text) {
  box("status").textContent = text;
}

/**
 * Do something that takes time, one thing at a time, and say what went wrong.
 *
 * @param {() => Promise<string | void>} act resolves to what to say in the end
 */
async function busy(act) {
  if (work.busy) return;
  hand.frozen = true;
  box("stage").classList.add("busy");
  try {
    const going = act();
    changed();
    const said = await going;
    if (said) say(said);
  } catch (error) {
    const { code } = /** @type {{code?: string}} */ (error ?? {});
    toast(code === "gone" && session ? await revived().catch(complaint) : complaint(error));
  } finally {
    work.end();
    hand.frozen = false;
    box("stage").classList.remove("busy");
    changed();
  }
}

const unsaved = () => Boolean(session?.mended && session.now.picture.id !== saved);

/** Bring the picture to a server that has lost it, with what is marked now. */
async function revived() {
  if (!session) return "";
  const ops = [...session.now.ops];
  start(await source(work.begin()));
  session.history.push({ ops, label: "opened" });
  session.changed();
  return t("revived");
}

/** @param {typeof source} get @param {string} name */
const take = (get, name) =>
  busy(async () => {
    if (unsaved() && !confirm(t("discard"))) return;
    const patience = work.begin();
    work.say(t("uploading", { name }));
    const picture = await get(patience);
    source = get;
    start(picture);
    await session?.layer(picture).ready;
    stage.box.focus({ preventScroll: true });
    const { width, height } = picture;
    return t("opened", { name: picture.name, width, height });
  });

/** @param {File} file */
function takeFile(file) {
  const most = server?.limits.bytes ?? Infinity;
  if (!file.size) toast(t("emptyFile", { name: file.name }));
  else if (file.size > most) toast(t("largeFile", { name: file.name, n: Math.floor(most / 1e6) }));
  else take((patience) => api.upload(file, file.name || "picture.png", patience), file.name);
}

/** @param {Picture} picture */
function start(picture) {
  session = new Session(picture);
  session.addEventListener("change", () => changed());
  compare.set(false);
  document.body.classList.add("open");
  settle();
  box("welcome").hidden = true;
  stage.show(session);
  cross.middle();
  const bits = picture.bits > 8 ? ` · ${picture.bits} bit` : "";
  box("name").textContent = `${picture.name} · ${picture.width} × ${picture.height}${bits}`;
  box("name").title = picture.name;
  settings.size = Math.max(2, Math.round(settings.share * Math.max(picture.width, picture.height)));
  saved = picture.id;
  changed();
}

/** Show what can be done now. */
function changed() {
  if (!session) return;
  const { history } = session;
  button("undo").disabled = !history.canUndo || work.busy;
  button("redo").disabled = !history.canRedo || work.busy;
  button("fill").disabled = work.busy;
  for (const id of ["clear", "grow", "mask-down", "batch"]) button(id).disabled = session.empty;
  for (const id of ["hold", "slide"]) button(id).disabled = !session.mended;
  if (!session.mended) compare.set(false);
  showTries(session);
  showHistory(session);
  showSize(settings, session);
}

/** @param {string} name */
function choose(name) {
  settings.tool = name;
  for (const one of box("tools").querySelectorAll("button")) {
    one.setAttribute("aria-pressed", String(one.id === `tool-${name}`));
  }
  stage.maskCanvas.dataset.tool = name;
  compare.set(false);
  say(t("toolIs", { tool: t(name) }));
}

const mend = () =>
  busy(async () => {
    if (!session) return;
    if (session.empty) throw new Error(t("nothingMarked"));
    compare.set(false);
    return ended(await fill(session, work, settings.order));
  });

const another = () => busy(async () => (session ? ended(await again(session, work)) : undefined));

/** @param {Job} job @returns {string} */
function ended(job) {
  const said = warnings(job);
  if (said) toast(said);
  return job.state === "cancelled" ? t("cancelled") : t("filled", { seconds: job.seconds.toFixed(1) });
}

const open = async () => {
  const [file] = await pick(reads(), false);
  if (file) takeFile(file);
};

const look = () => browse((path) => take((patience) => api.openFromFolder(path, patience), path));
const reads = () => ["image/*", ...(server?.reads ?? [])].join(",");

async function loadMask() {
  const [file] = await pick(reads(), false);
  if (!file) return;
  busy(async () => {
    if (session) await masks.load(session, file, work.begin());
    return t("maskLoaded");
  });
}

const findSpecks = () =>
  busy(async () => {
    if (!session) return;
    const patience = work.begin();
    work.say(t("looking"));
    const n = await masks.specks(session, Number(input("sensitivity").value), patience);
    toast(t(n ? "foundSpecks" : "foundNone", { n }));
  });

/** @param {(session: Session) => void} act @returns {() => void} */
const edit = (act) => () => {
  if (session && !work.busy) act(session);
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
  if (!s.empty) s.add({ kind: "clear" });
});
const download = () =>
  busy(async () => {
    if (!session) return;
    const { id, name } = await api.picture(session.now.picture.id); // it may be gone
    save(api.fileUrl(id), name);
    saved = id;
  });
const grow = edit((s) => masks.grow(s, Math.min(200, Math.max(1, Number(input("grow-by").value)))));
const batch = () => {
  if (!session) return;
  const made = new Batch(session, work, () => settings.order, server?.folder ?? false, reads());
  const one = batches.get(session) ?? made; // opened again, it still holds its results
  batches.set(session, one);
  one.open();
};

/** @type {[string, () => void][]} */
const CLICKS = [
  ["open", open], ["pick", open], ["undo", undo], ["redo", redo], ["zoom", fit],
  ["zoom-in", () => zoom(1.25)], ["zoom-out", () => zoom(0.8)], ["fill", mend],
  ["download", download], ["invert", invert], ["clear", clear], ["grow", grow],
  ["mask-up", loadMask], ["mask-down", edit((s) => masks.save(s))], ["specks", findSpecks], ["again", another],
  ["batch", batch], ["help", help],
  ["browse", look], ["browse-top", look],
  ["panel-toggle", () => togglePanel()],
];

/** @type {Record<string, () => void>} */
const KEYS = {
  "ctrl+z": undo, "ctrl+shift+z": redo, "ctrl+y": redo, "ctrl+o": open, "ctrl+s": download,
  "ctrl+enter": () => mend(), f: () => mend(), i: invert, delete: clear, backspace: clear,
  "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: fit,
  1: () => zoom(1 / stage.ratio / stage.view.scale),
  "[": () => hand.resize(0.87), "]": () => hand.resize(1.15), s: () => compare.toggle(),
  escape: () => work.cancel(), "?": help,
  ...Object.fromEntries(Object.entries(TOOLS).map(([name, { key }]) => [key, () => choose(name)])),
};

function wire() {
  for (const [id, act] of CLICKS) button(id).addEventListener("click", act);
  shortcuts(KEYS, () => session !== null);
  spaceMoves(hand);
  giveBack(stage.box);
  compare.listen();
  wireSize(settings, hand, () => showSize(settings, session));
  const shown = () => (box("sensitivity-out").textContent = input("sensitivity").value);
  shown();
  input("sensitivity").addEventListener("input", shown);
  input("sensitivity").addEventListener("change", () => {
    const last = session?.now.ops.at(-1);
    if (last?.kind === "tiles" && last.from === "specks") findSpecks();
  });
  stage.box.addEventListener("drawn", () => {
    const percent = `${Math.round(100 * stage.view.scale * stage.ratio)} %`;
    if (button("zoom").textContent !== percent) button("zoom").textContent = percent;
  });
  closable();
  arriving(takeFile);
  stage.box.addEventListener("pointerdown", () => togglePanel(false));
  window.addEventListener("beforeunload", (event) => {
    if (unsaved()) event.preventDefault();
  });
}

async function boot() {
  toolbar(choose);
  looks(() => {
    settings.render();
    changed();
  });
  wire();
  choose("brush");
  server = await api.about();
  for (const id of ["browse", "browse-top"]) button(id).hidden = !server.folder;
  input("count").max = String(server.limits.tries);
  await settings.load();
  document.body.classList.add("ready");
}

boot().catch((error) => toast(complaint(error)));
