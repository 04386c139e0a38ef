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
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<Response>}
 */
async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(ROOT + path, options);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("offline", "the server does not answer");
  }
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => null);
  const problem = body?.error ?? { code: "failed", message: `${answer.status}` };
  throw new ApiError(problem.code, problem.message, problem.retry_after ?? null);
}

/**
 * @param {string} path
 * @param {RequestInit} [options]
 * @returns {Promise<any>}
 */
const json = async (path, options) => (await ask(path, options)).json();

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

/** @param {Blob} file @param {string} name @returns {Promise<Picture>} */
export const upload = (file, name) =>
  json(`/pictures?name=${encodeURIComponent(name)}`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body: file,
  });

/** @param {string} path @returns {Promise<Folder>} */
export const folder = (path) => json(`/folder?path=${encodeURIComponent(path)}`);

/** @param {string} path @returns {Promise<Picture>} */
export const openFromFolder = (path) => json("/folder/open", posted({ path }));

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

/** @param {string} url one of the above @param {AbortSignal} [signal] @returns {Promise<Blob>} */
export const bytes = async (url, signal) =>
  (await ask(url.slice(ROOT.length), signal ? { signal } : undefined)).blob();

/** @param {Record<string, any>} order @returns {Promise<Job>} */
export const order = (order) => json("/jobs", posted(order));

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
 * @returns {Promise<{mask: Blob, count: number}>}
 */
export async function scratches(id, sensitivity) {
  const path = `/scratches?picture=${id}&sensitivity=${sensitivity}`;
  const answer = await ask(path, { method: "POST" });
  return { mask: await answer.blob(), count: Number(answer.headers.get("X-Mendpix-Count")) };
}
