/** Running jobs on the server: progress by server-sent events, and cancelling. */

/** @import {Job} from "./types.js" */
import * as api from "./api.js";
import { button, byId, find } from "./dom.js";
import { t } from "./i18n.js";

/**
 * Follow a job to its end, by server-sent events.
 *
 * @param {string} id
 * @param {(job: {progress: number, position: number}) => void} onProgress
 * @returns {Promise<Job>}
 */
export function followJob(id, onProgress) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(api.eventsUrl(id));
    const read = (/** @type {Event} */ event) =>
      JSON.parse(/** @type {MessageEvent} */ (event).data);
    events.addEventListener("state", (event) => onProgress(read(event)));
    events.addEventListener("progress", (event) => onProgress(read(event)));
    events.addEventListener("end", (event) => {
      events.close();
      resolve(read(event));
    });
    events.addEventListener("error", () => {
      // EventSource reconnects by itself, unless the job or the server is gone.
      const finish = (/** @type {() => void} */ act) => {
        events.close();
        act();
      };
      api.getJob(id).then(
        (job) => {
          if (!["queued", "running"].includes(job.state)) finish(() => resolve(job));
          else if (events.readyState === EventSource.CLOSED) followJob(id, onProgress).then(resolve, reject);
        },
        (error) => finish(() => reject(error)),
      );
    });
  });
}

/** Runs one action at a time, with a progress bar and a cancel button. */
export class JobRunner {
  constructor() {
    this.box = byId("working");
    this.bar = find("progress", HTMLProgressElement);
    /** @type {(() => void) | null} */
    this.stop = null;
    this.text = "";
    button("cancel").addEventListener("click", () => this.cancel());
  }

  get busy() {
    return !this.box.hidden;
  }

  /** Begin an action whose requests can be aborted. @returns {api.RetryOptions} */
  begin() {
    const controller = new AbortController();
    this.stop = () => controller.abort();
    const onWait = (/** @type {number} */ seconds) => {
      const { text } = this;
      this.say(seconds ? t("busyWait", { n: Math.ceil(seconds) }) : text);
      this.text = text;
    };
    return { signal: controller.signal, onWait };
  }

  /** @param {string} text @param {number | null} share null: unknown */
  say(text, share = null) {
    this.box.hidden = false;
    this.text = text;
    byId("working-text").textContent = text;
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
   * Run a job and show its progress.
   *
   * @param {Record<string, any>} order
   * @param {api.RetryOptions} retry
   * @param {(job: {progress: number, position: number}) => void} [onProgress]
   * @returns {Promise<Job>} done or cancelled
   */
  async run(order, retry, onProgress = () => {}) {
    const job = await api.startJob(order, retry);
    this.stop = () => {
      api.cancelJob(job.id).catch(() => {});
    };
    this.say(t("running", { percent: 0 }), 0);
    const end = await followJob(job.id, (now) => {
      const percent = Math.round(100 * now.progress);
      const queued = now.position > 0;
      this.say(queued ? t("queued", { n: now.position }) : t("running", { percent }), now.progress);
      onProgress(now);
    });
    const problem = end.error ?? (end.results.length ? null : end.errors[0]);
    if (end.state !== "cancelled" && problem) {
      const code = "code" in problem ? problem.code : "failed";
      throw new api.ApiError(code, problem.message);
    }
    return end;
  }
}
