/** The server's API, one function per question. */

/** @import {About, Folder, Job, Model, Picture} from "./types.js" */

const ROOT = "/api/v1";

/** Why the server could not do it: `code` is for the page, the message is one English line. */
export class ApiError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {number | null} wait seconds after which to try again
   */
  constructor(code, message, wait = null) {
    super(message);
    this.code = code;
    this.wait = wait;
  }
}

/**
 * How long to wait for a server that is busy: it says after how many seconds to ask again.
 *
 * @typedef {{signal?: AbortSignal, waiting?: (seconds: number) => void}} Patience
 */

const LONGEST = 600_000; // ms until a busy server is believed to stay so

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @param {Patience} [patience]
 * @returns {Promise<Response>}
 */
async function ask(path, options, { signal, waiting } = {}) {
  const end = Date.now() + LONGEST;
  for (;;) {
    const answer = await once(path, { ...options, ...(signal && { signal }) });
    if (answer.ok) return answer;
    const problem = await told(answer);
    const seconds = problem.wait ?? 1;
    if (answer.status !== 429 || Date.now() + 1000 * seconds > end) throw problem;
    await pause(seconds, signal, waiting);
  }
}

/** @param {string} path @param {RequestInit} options @returns {Promise<Response>} */
async function once(path, options) {
  try {
    return await fetch(ROOT + path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("offline", "the server does not answer");
  }
}

/** @param {Response} answer @returns {Promise<ApiError>} */
async function told(answer) {
  const body = await answer.json().catch(() => null);
  const problem = body?.error ?? { code: "failed", message: `${answer.status}` };
  const wait = Number(answer.headers.get("Retry-After")) || null;
  return new ApiError(problem.code, problem.message, wait);
}

/**
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @param {(seconds: number) => void} [waiting] told every second how many are left
 */
async function pause(seconds, signal, waiting = () => {}) {
  for (let left = seconds; left > 0; left--) {
    waiting(left);
    await new Promise((done) => setTimeout(done, 1000 * Math.min(1, left)));
    signal?.throwIfAborted();
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @param {Patience} [patience]
 * @returns {Promise<any>}
 */
const json = async (path, options, patience) => (await ask(path, options, patience)).json();

/**
 * @param {unknown} body
 * @returns {RequestInit}
 */
const posted = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

/** @returns {Promise<About>} */
export const about = () => json("/about");

/** @returns {Promise<{models: Model[], default: string}>} */
export const models = () => json("/models");

/** @param {string} name @returns {Promise<Model>} */
export const model = (name) => json(`/models/${encodeURIComponent(name)}`);

/** @param {Blob} file @param {string} name @param {Patience} [patience] @returns {Promise<Picture>} */
export const upload = (file, name, patience) => {
  const headers = { "Content-Type": "application/octet-stream" };
  const path = `/pictures?name=${encodeURIComponent(name)}`;
  return json(path, { method: "POST", headers, body: file }, patience);
};

/** @param {string} id @returns {Promise<Picture>} */
export const picture = (id) => json(`/pictures/${id}`);

/** @param {string} path @returns {Promise<Folder>} */
export const folder = (path) => json(`/folder?path=${encodeURIComponent(path)}`);

/** @param {string} path @param {Patience} [patience] @returns {Promise<Picture>} */
export const openFromFolder = (path, patience) =>
  json("/folder/open", posted({ path }), patience);

/** @param {string} path @param {number} side @returns {string} */
export const folderPreview = (path, side) =>
  `${ROOT}/folder/preview?side=${side}&path=${encodeURIComponent(path)}`;

/** @param {string} id @returns {string} */
export const fileUrl = (id) => `${ROOT}/pictures/${id}/file`;

/** @param {string} id @param {number} side @returns {string} */
export const previewUrl = (id, side) => `${ROOT}/pictures/${id}/preview?side=${side}`;

/**
 * @param {string} id
 * @param {number[]} box left, top, width, height
 * @param {number} level shrunk by two to this power
 * @param {string} format
 * @returns {string}
 */
export const regionUrl = (id, [left, top, width, height], level, format) =>
  `${ROOT}/pictures/${id}/region?left=${left}&top=${top}&width=${width}&height=${height}` +
  `&level=${level}&format=${format}`;

/** @param {string} url one of the above @returns {Promise<Blob>} */
export const bytes = async (url) => (await ask(url.slice(ROOT.length))).blob();

/** @param {Record<string, any>} order @param {Patience} [patience] @returns {Promise<Job>} */
export const order = (order, patience) => json("/jobs", posted(order), patience);

/** @param {string} id @returns {Promise<Job>} */
export const cancel = (id) => json(`/jobs/${id}`, { method: "DELETE" });

/** @param {string} id @returns {Promise<Job>} */
export const job = (id) => json(`/jobs/${id}`);

/** @param {string} id @returns {string} */
export const zipUrl = (id) => `${ROOT}/jobs/${id}/zip`;

/** @param {string} id @returns {string} */
export const eventsUrl = (id) => `${ROOT}/jobs/${id}/events`;

/**
 * A mask of what looks like specks and scratches, and how many parts it has.
 *
 * @param {string} id
 * @param {number} sensitivity 0 to 1
 * @param {Patience} [patience]
 * @returns {Promise<{mask: Blob, count: number}>}
 */
export async function scratches(id, sensitivity, patience) {
  const path = `/scratches?picture=${id}&sensitivity=${sensitivity}`;
  const answer = await ask(path, { method: "POST" }, patience);
  return { mask: await answer.blob(), count: Number(answer.headers.get("X-Mendpix-Count")) };
}
