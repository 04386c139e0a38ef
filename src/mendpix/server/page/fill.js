/** Filling: orders a job, follows it, and can stop it. */

/** @import {Job, Op, Tries} from "./types.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { box, button, find } from "./dom.js";
import { t } from "./i18n.js";
import { encode } from "./png.js";

/**
 * Follow a job to its end, by server-sent events.
 *
 * @param {string} id
 * @param {(job: {progress: number, position: number}) => void} moved
 * @returns {Promise<Job>}
 */
export function follow(id, moved) {
  return new Promise((done, failed) => {
    const events = new EventSource(api.eventsUrl(id));
    const read = (/** @type {Event} */ event) =>
      JSON.parse(/** @type {MessageEvent} */ (event).data);
    events.addEventListener("state", (event) => moved(read(event)));
    events.addEventListener("progress", (event) => moved(read(event)));
    events.addEventListener("end", (event) => {
      events.close();
      done(read(event));
    });
    events.addEventListener("error", () => {
      // It connects again by itself, unless the job or the server is gone.
      const over = (/** @type {() => void} */ act) => {
        events.close();
        act();
      };
      api.job(id).then(
        (job) => {
          if (!["queued", "running"].includes(job.state)) over(() => done(job));
          else if (events.readyState === EventSource.CLOSED) follow(id, moved).then(done, failed);
        },
        (error) => over(() => failed(error)),
      );
    });
  });
}

/** The bar that says what is being done; one thing at a time. */
export class Work {
  constructor() {
    this.box = box("working");
    this.bar = find("progress", HTMLProgressElement);
    /** @type {(() => void) | null} */
    this.stop = null;
    this.said = "";
    button("cancel").addEventListener("click", () => this.cancel());
  }

  get busy() {
    return !this.box.hidden;
  }

  /** Begin something that can be given up while it asks the server. @returns {api.Patience} */
  begin() {
    const giver = new AbortController();
    this.stop = () => giver.abort();
    const waiting = (/** @type {number} */ seconds) => {
      const { said } = this;
      this.say(seconds ? t("busyWait", { n: Math.ceil(seconds) }) : said);
      this.said = said;
    };
    return { signal: giver.signal, waiting };
  }

  /** @param {string} text @param {number | null} share null: nobody knows */
  say(text, share = null) {
    this.box.hidden = false;
    this.said = text;
    box("working-text").textContent = text;
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    button("cancel").hidden = !this.stop;
  }

  cancel() {
    this.stop?.();
  }

  end() {
    this.box.hidden = true;
    this.stop = null;
  }

  /**
   * Run a job, showing how far it is.
   *
   * @param {Record<string, any>} order
   * @param {api.Patience} patience
   * @param {(job: {progress: number, position: number}) => void} [moved]
   * @returns {Promise<Job>} done or cancelled
   */
  async run(order, patience, moved = () => {}) {
    const job = await api.order(order, patience);
    this.stop = () => {
      api.cancel(job.id).catch(() => {});
    };
    this.say(t("running", { percent: 0 }), 0);
    const end = await follow(job.id, (now) => {
      const percent = Math.round(100 * now.progress);
      const waiting = now.position > 0;
      this.say(waiting ? t("queued", { n: now.position }) : t("running", { percent }), now.progress);
      moved(now);
    });
    const problem = end.error ?? (end.results.length ? null : end.errors[0]);
    if (end.state !== "cancelled" && problem) {
      const code = "code" in problem ? problem.code : "failed";
      throw new api.ApiError(code, problem.message);
    }
    return end;
  }
}

/** @type {WeakMap<readonly Op[], string>} */
const sent = new WeakMap();

/**
 * The id of the mask at the server.
 *
 * @param {Session} session
 * @param {api.Patience} patience
 * @returns {Promise<string>}
 */
export async function sendMask(session, patience) {
  const { ops } = session.now;
  const known = sent.get(ops);
  if (known) return known;
  const { id } = await api.upload(await encode(session.mask()), "mask.png", patience);
  sent.set(ops, id);
  return id;
}

/**
 * Fill what is marked.
 *
 * @param {Session} session
 * @param {Work} work
 * @param {{model: string, options: Record<string, any>, seed: number, tries: number}} choice
 * @returns {Promise<Job>}
 */
export async function fill(session, work, choice) {
  const patience = work.begin();
  work.say(t("sending"));
  const mask = await sendMask(session, patience);
  const order = { pictures: [session.now.picture.id], mask, ...choice };
  const job = await work.run(order, patience);
  if (job.results.length) {
    await seen(session, job);
    session.filled({ order, results: job.results });
  }
  return job;
}

/** Wait until what was filled can be shown. @param {Session} session @param {Job} job */
const seen = (session, { results: [first] }) =>
  session.layer(first.picture, first).ready.catch(() => {});

/**
 * Fill the same once more, with the next seed.
 *
 * @param {Session} session
 * @param {Work} work
 * @returns {Promise<Job>}
 */
export async function again(session, work) {
  const tries = /** @type {Tries} */ (session.now.tries);
  const seed = Math.max(...tries.results.map((result) => result.seed)) + 1;
  const job = await work.run({ ...tries.order, seed, tries: 1 }, work.begin());
  if (job.results.length) {
    await seen(session, job);
    const results = [...tries.results, ...job.results];
    session.history.amend({ tries: { ...tries, results } });
    session.choose(job.results[0]);
  }
  return job;
}
