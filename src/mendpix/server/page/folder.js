/** Browses the folder that the server offers. */

/** @import {Folder, FolderPicture} from "./types.js" */
import * as api from "./api.js";
import { find, icon, make } from "./dom.js";
import { complaint, t } from "./i18n.js";

/** @param {(path: string) => void} chosen called with the picture's path */
export async function browse(chosen) {
  const dialog = find("folder-dialog", HTMLDialogElement);
  const take = (/** @type {FolderPicture} */ picture) => {
    dialog.close();
    chosen(picture.path);
  };
  dialog.showModal();
  await list(find("folder-body", HTMLElement), "", take);
}

/**
 * @param {HTMLElement} body
 * @param {string} path
 * @param {(picture: FolderPicture) => void} take
 */
export async function list(body, path, take) {
  try {
    const folder = await api.folder(path);
    body.replaceChildren(...entries(body, folder, take));
    body.querySelector("button")?.focus();
  } catch (error) {
    body.replaceChildren(make("p", {}, complaint(error)));
  }
}

/**
 * @param {HTMLElement} body
 * @param {Folder} folder
 * @param {(picture: FolderPicture) => void} take
 * @returns {HTMLElement[]}
 */
function entries(body, folder, take) {
  const way = (/** @type {string} */ path, /** @type {string} */ name) => {
    const button = make("button", { className: "labelled" }, icon("folder"), name);
    button.addEventListener("click", () => list(body, path, take));
    return button;
  };
  const folders = make("div", { className: "folders" });
  if (folder.path) folders.append(way(folder.path.split("/").slice(0, -1).join("/"), t("up")));
  for (const path of folder.folders) folders.append(way(path, path.split("/").at(-1) ?? path));
  const grid = make("div", { className: "grid" }, ...folder.pictures.map((one) => card(one, take)));
  const none = !folder.folders.length && !folder.pictures.length;
  const notes = [none ? t("emptyFolder") : "", folder.more ? t("moreInFolder") : ""];
  const said = notes.filter(Boolean).map((text) => make("p", { className: "small" }, text));
  return [make("p", { className: "small path" }, `/${folder.path}`), folders, grid, ...said];
}

/**
 * @param {FolderPicture} picture
 * @param {(picture: FolderPicture) => void} take
 * @returns {HTMLElement}
 */
function card(picture, take) {
  const src = api.folderPreview(picture.path, 256);
  const image = make("img", { src, alt: "", loading: "lazy" });
  const button = make("button", { className: "card" }, image, make("span", {}, picture.name));
  button.title = picture.path;
  button.addEventListener("click", () => take(picture));
  return button;
}
