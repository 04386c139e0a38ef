/** Encodes a mask as a 1-bit grey PNG row by row, without the size limit of a canvas. */

/** @import {Raster} from "./raster.js" */
import { SIDE } from "./raster.js";

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** @param {Uint8Array} data @returns {number} */
function computeCrc(data) {
  let value = 0xffffffff;
  for (const byte of data) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** @param {string} kind four letters @param {Uint8Array} data @returns {Uint8Array} */
function makeChunk(kind, data) {
  const out = new Uint8Array(data.length + 12);
  const view = new DataView(out.buffer);
  view.setUint32(0, data.length);
  for (let i = 0; i < 4; i++) out[4 + i] = kind.charCodeAt(i);
  out.set(data, 8);
  view.setUint32(data.length + 8, computeCrc(out.subarray(4, data.length + 8)));
  return out;
}

/** @param {Raster} raster @returns {Uint8Array} */
function makeHeader(raster) {
  const data = new Uint8Array(13);
  const view = new DataView(data.buffer);
  view.setUint32(0, raster.width);
  view.setUint32(4, raster.height);
  data[8] = 1; // bits; grey, deflate, no filter, not interlaced are 0
  return data;
}

/**
 * Scanlines of 1-bit pixels, each after its filter byte.
 *
 * @param {Raster} raster
 * @param {number} top
 * @returns {Uint8Array<ArrayBuffer>}
 */
function packRows(raster, top) {
  const rows = Math.min(SIDE, raster.height - top);
  const bytes = Math.ceil(raster.width / 8) + 1;
  const out = new Uint8Array(rows * bytes);
  const line = new Uint8Array(raster.width);
  for (let y = 0; y < rows; y++) {
    raster.row(top + y, line);
    const start = y * bytes + 1;
    for (let x = line.indexOf(1); x >= 0 && x < line.length; x++) {
      out[start + (x >> 3)] |= line[x] << (7 - (x & 7));
    }
  }
  return out;
}

/** @param {Raster} raster @returns {Promise<Blob>} white = marked */
export async function encodePng(raster) {
  const deflate = new CompressionStream("deflate");
  const writer = deflate.writable.getWriter();
  const result = new Response(deflate.readable).arrayBuffer();
  for (let top = 0; top < raster.height; top += SIDE) await writer.write(packRows(raster, top));
  await writer.close();
  const parts = [
    new Uint8Array(SIGNATURE),
    makeChunk("IHDR", makeHeader(raster)),
    makeChunk("IDAT", new Uint8Array(await result)),
    makeChunk("IEND", new Uint8Array(0)),
  ];
  return new Blob(/** @type {BlobPart[]} */ (parts), { type: "image/png" });
}
