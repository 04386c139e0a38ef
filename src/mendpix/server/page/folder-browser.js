/** The dialog that browses the server's folder. */

/** @import {Folder, FolderPicture} from "./types.js" */
import * as api from "./api.js";
import { createElement, find, icon } from "./dom.js";
import { describeError, t } from "./i18n.js";

/** @param {(path: string) => void} onChoose called with the picture's path */
export async function browseFolder(onChoose) {
  const dialog = find("folder-dialog", HTMLDialogElement);
  const onPick = (/** @type {FolderPicture} */ picture) => {
    dialog.close();
    onChoose(picture.path);
  };
  dialog.showModal();
  await showFolder(find("folder-body", HTMLElement), "", onPick);
}

/**
 * @param {HTMLElement} body
 * @param {string} path
 * @param {(picture: FolderPicture) => void} onPick
 */
export async function showFolder(body, path, onPick) {
  try {
    const folder = await api.listFolder(path);
    body.replaceChildren(...makeEntries(body, folder, onPick));
    body.querySelector("button")?.focus();
  } catch (error) {
    body.replaceChildren(createElement("p", {}, describeError(error)));
  }
}

/**
 * @param {HTMLElement} body
 * @param {Folder} folder
 * @param {(picture: FolderPicture) => void} onPick
 * @returns {HTMLElement[]}
 */
function makeEntries(body, folder, onPick) {
  const makeButton = (/** @type {string} */ path, /** @type {string} */ name) => {
    const button = createElement("button", { className: "labelled" }, icon("folder"), name);
    button.addEventListener("click", () => showFolder(body, path, onPick));
    return button;
  };
  const folders = createElement("div", { className: "folders" });
  if (folder.path) folders.append(makeButton(folder.path.split("/").slice(0, -1).join("/"), t("up")));
  for (const path of folder.folders) folders.append(makeButton(path, path.split("/").at(-1) ?? path));
  const grid = createElement("div", { className: "grid" }, ...folder.pictures.map((one) => makeThumbnail(one, onPick)));
  const none = !folder.folders.length && !folder.pictures.length;
  const notes = [none ? t("emptyFolder") : "", folder.more ? t("moreInFolder") : ""];
  const remarks = notes.filter(Boolean).map((text) => createElement("p", { className: "small" }, text));
  return [createElement("p", { className: "small path" }, `/${folder.path}`), folders, grid, ...remarks];
}

/**
 * @param {FolderPicture} picture
 * @param {(picture: FolderPicture) => void} onPick
 * @returns {HTMLElement}
 */
function makeThumbnail(picture, onPick) {
  const src = api.folderPreviewUrl(picture.path, 256);
  const image = createElement("img", { src, alt: "", loading: "lazy" });
  const button = createElement("button", { className: "card" }, image, createElement("span", {}, picture.name));
  button.title = picture.path;
  button.addEventListener("click", () => onPick(picture));
  return button;
}
