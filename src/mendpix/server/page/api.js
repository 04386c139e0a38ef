/** Client of the HTTP API: one function per request. */

/** @import {About, Folder, Job, Model, Picture} from "./types.js" */

const ROOT = "/api/v1";

/** An error response: `code` is for the page, the message is one line of English. */
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
 * Retries while the server is busy (429): how to abort them, and how to show the wait.
 *
 * @typedef {{signal?: AbortSignal, onWait?: (seconds: number) => void}} RetryOptions
 */

const MAX_WAIT_MS = 600_000; // of retries

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @param {RetryOptions} [retry]
 * @returns {Promise<Response>}
 */
async function request(path, options, { signal, onWait } = {}) {
  const end = Date.now() + MAX_WAIT_MS;
  for (;;) {
    const answer = await fetchOnce(path, { ...options, ...(signal && { signal }) });
    if (answer.ok) return answer;
    const problem = await readError(answer);
    const seconds = problem.wait ?? 1;
    if (answer.status !== 429 || Date.now() + 1000 * seconds > end) throw problem;
    await waitBeforeRetry(seconds, signal, onWait);
  }
}

/** @param {string} path @param {RequestInit} options @returns {Promise<Response>} */
async function fetchOnce(path, options) {
  try {
    return await fetch(ROOT + path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("offline", "the server does not answer");
  }
}

/** @param {Response} answer @returns {Promise<ApiError>} */
async function readError(answer) {
  const body = await answer.json().catch(() => null);
  const problem = body?.error ?? { code: "failed", message: `${answer.status}` };
  const wait = Number(answer.headers.get("Retry-After")) || null;
  return new ApiError(problem.code, problem.message, wait);
}

/**
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @param {(seconds: number) => void} [onWait] called every second with the seconds left
 */
async function waitBeforeRetry(seconds, signal, onWait = () => {}) {
  for (let left = seconds; left > 0; left--) {
    onWait(left);
    await new Promise((done) => setTimeout(done, 1000 * Math.min(1, left)));
    signal?.throwIfAborted();
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @param {RetryOptions} [retry]
 * @returns {Promise<any>}
 */
const requestJson = async (path, options, retry) => (await request(path, options, retry)).json();

/**
 * @param {unknown} body
 * @returns {RequestInit}
 */
const jsonBody = (body) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

/** @returns {Promise<About>} */
export const getServerInfo = () => requestJson("/about");

/** @returns {Promise<{models: Model[], default: string}>} */
export const listModels = () => requestJson("/models");

/** @param {string} name @returns {Promise<Model>} */
export const getModel = (name) => requestJson(`/models/${encodeURIComponent(name)}`);

/** @param {Blob} file @param {string} name @param {RetryOptions} [retry] @returns {Promise<Picture>} */
export const uploadPicture = (file, name, retry) => {
  const headers = { "Content-Type": "application/octet-stream" };
  const path = `/pictures?name=${encodeURIComponent(name)}`;
  return requestJson(path, { method: "POST", headers, body: file }, retry);
};

/** @param {string} id @returns {Promise<Picture>} */
export const getPicture = (id) => requestJson(`/pictures/${id}`);

/** @param {string} path @returns {Promise<Folder>} */
export const listFolder = (path) => requestJson(`/folder?path=${encodeURIComponent(path)}`);

/** @param {string} path @param {RetryOptions} [retry] @returns {Promise<Picture>} */
export const openFromFolder = (path, retry) =>
  requestJson("/folder/open", jsonBody({ path }), retry);

/** @param {string} path @param {number} side @returns {string} */
export const folderPreviewUrl = (path, side) =>
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
export const fetchBlob = async (url) => (await request(url.slice(ROOT.length))).blob();

/** @param {Record<string, any>} order @param {RetryOptions} [retry] @returns {Promise<Job>} */
export const startJob = (order, retry) => requestJson("/jobs", jsonBody(order), retry);

/** @param {string} id @returns {Promise<Job>} */
export const cancelJob = (id) => requestJson(`/jobs/${id}`, { method: "DELETE" });

/** @param {string} id @returns {Promise<Job>} */
export const getJob = (id) => requestJson(`/jobs/${id}`);

/** @param {string} id @returns {string} */
export const zipUrl = (id) => `${ROOT}/jobs/${id}/zip`;

/** @param {string} id @returns {string} */
export const eventsUrl = (id) => `${ROOT}/jobs/${id}/events`;

/**
 * A mask of what looks like specks and scratches, and how many parts it has.
 *
 * @param {string} id
 * @param {number} sensitivity 0 to 1
 * @param {RetryOptions} [retry]
 * @returns {Promise<{mask: Blob, count: number}>}
 */
export async function findScratches(id, sensitivity, retry) {
  const path = `/scratches?picture=${id}&sensitivity=${sensitivity}`;
  const answer = await request(path, { method: "POST" }, retry);
  return { mask: await answer.blob(), count: Number(answer.headers.get("X-Mendpix-Count")) };
}
