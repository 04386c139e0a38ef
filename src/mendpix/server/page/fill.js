/** Filling what is marked: upload the mask, run the job, show the result. */

/** @import {Job, Op, Tries} from "./types.js" */
/** @import {JobRunner} from "./jobs.js" */
/** @import {Session} from "./session.js" */
import * as api from "./api.js";
import { describeGuides } from "./guides.js";
import { t } from "./i18n.js";
import { encodePng } from "./png.js";

/** @type {WeakMap<readonly Op[], string>} */
const uploadedMasks = new WeakMap();

/**
 * Upload the mask, once; returns its id.
 *
 * @param {Session} session
 * @param {api.RetryOptions} retry
 * @returns {Promise<string>}
 */
export async function uploadMask(session, retry) {
  const { ops } = session.now;
  const uploaded = uploadedMasks.get(ops);
  if (uploaded) return uploaded;
  const { id } = await api.uploadPicture(await encodePng(session.mask()), "mask.png", retry);
  uploadedMasks.set(ops, id);
  return id;
}

/**
 * Fill what is marked.
 *
 * @param {Session} session
 * @param {JobRunner} runner
 * @param {{model: string, options: Record<string, any>, seed: number, tries: number,
 *   grow: number | "auto"}} choice
 * @returns {Promise<Job>}
 */
export async function fill(session, runner, choice) {
  const retry = runner.begin();
  runner.say(t("sending"));
  const mask = await uploadMask(session, retry);
  const guides = await describeGuides(session, retry);
  const order = { pictures: [session.now.picture.id], mask, ...guides, ...choice };
  const job = await runner.run(order, retry);
  if (job.results.length) {
    await waitForLayer(session, job);
    session.applyFill({ order, results: job.results });
  }
  return job;
}

/** Wait until the filled picture can be shown. @param {Session} session @param {Job} job */
const waitForLayer = (session, { results: [first] }) =>
  session.getLayer(first.picture, first).ready.catch(() => {});

/**
 * Repeat the last fill with the next seed.
 *
 * @param {Session} session
 * @param {JobRunner} runner
 * @returns {Promise<Job>}
 */
export async function fillAgain(session, runner) {
  const tries = /** @type {Tries} */ (session.now.tries);
  const seed = Math.max(...tries.results.map((result) => result.seed)) + 1;
  const job = await runner.run({ ...tries.order, seed, tries: 1 }, runner.begin());
  if (job.results.length) {
    await waitForLayer(session, job);
    const results = [...tries.results, ...job.results];
    session.history.amend({ tries: { ...tries, results } });
    session.choose(job.results[0]);
  }
  return job;
}
