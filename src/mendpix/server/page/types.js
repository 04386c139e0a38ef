/**
 * Types shared by the modules. All coordinates are pixels of the full-size picture
 * as displayed, whatever the zoom.
 *
 * @typedef {{id: string, name: string, format: string, width: number, height: number,
 *   channels: number, bits: number, alpha: boolean, bytes: number, shown: boolean}} Picture
 * @typedef {{name: string, kind: string, default: any, least: number | null,
 *   most: number | null, choices: string[] | null, about: string}} Option
 * @typedef {{name: string, kind: string, about: string, licence: string, ready: boolean,
 *   why_not: string, options: Option[], card: Record<string, any> | null}} Model
 * @typedef {{picture: Picture, source: string, seed: number, seconds: number, hole_ratio: number,
 *   hole: number[] | null, grow: number | null, warnings: string[]}} Result
 * @typedef {{code: string, message: string, retry_after?: number | null}} Problem
 * @typedef {{id: string, state: string, position: number, progress: number, seconds: number,
 *   total: number, results: Result[], errors: {source: string, message: string}[],
 *   error: Problem | null, generator: {name: string, sha256: string} | null}} Job
 * @typedef {{version: string, folder: boolean, reads: string[], writes: string[], limits:
 *   {bytes: number, pixels: number, seconds: number, tries: number, batch: number}}} About
 * @typedef {{path: string, name: string, bytes: number, modified: number}} FolderPicture
 * @typedef {{path: string, folders: string[], pictures: FolderPicture[], more: boolean}} Folder
 *
 * @typedef {Map<number, Uint8Array>} Tiles
 * @typedef {{kind: "stroke", erase: boolean, radius: number, points: number[]}} Stroke
 * @typedef {{kind: "polygon", erase: boolean, points: number[]}} Polygon
 * @typedef {{kind: "tiles", tiles: Tiles, only: boolean, from: string}} Bitmap
 * @typedef {{kind: "invert"}} Invert
 * @typedef {{kind: "clear"}} Clear
 * @typedef {{kind: "area", role: "source" | "exclude", erase: boolean, radius: number,
 *   points: number[]}} Area
 * @typedef {{kind: "line", points: number[]}} Line
 * @typedef {Stroke | Polygon | Bitmap | Invert | Clear} Mark
 * @typedef {Mark | Area | Line} Op
 *
 * @typedef {{order: Record<string, any>, results: Result[]}} Tries
 * @typedef {{ops: readonly Op[], picture: Picture, label: string, tries: Tries | null}} Snapshot
 */

export {};
