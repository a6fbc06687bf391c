/**
 * What the netcode does, laid over the sea: borders and owners, cells and interest, ghosts, the
 * server's truth, rewound targets, handoffs.
 *
 * Must not know: clients.
 */

import { shardInk } from "./water.js";

const FONT = "600 12px system-ui, 'DejaVu Sans', sans-serif";
const LABEL_DOWN = 70; // pixels: the score board stands above
const LABEL_ROOM = 80; // pixels; a narrower strip has no label
const WORDS_RIGHT = 190;
const WORDS_DOWN = 170;
const TRUTH = "#7dffb0";

/**
 * What is switched on, with its data.
 *
 * @typedef {object} Layers
 * @property {boolean} [borders]
 * @property {boolean} [cells]
 * @property {number[] | null} [interest] cells
 * @property {{x: number, y: number, shard: number}[] | null} [ghosts] `shard` is who has one
 * @property {{id: import("../shoal/ids.js").Id, x: number, y: number}[] | null} [truth]
 * @property {import("./scene.js").Rewind[] | null} [rewinds]
 * @property {import("./scene.js").Handoff[] | null} [handoffs]
 */

/**
 * Paint them.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./camera.js").Camera} camera
 * @param {object} world see `painter.js`
 * @param {Layers} layers
 */
export function paintOverlays(context, camera, world, layers) {
  if (layers.interest) paintInterest(context, camera, world, layers.interest);
  if (layers.cells) paintCells(context, camera, world);
  if (layers.borders) paintBorders(context, camera, world);
  if (layers.ghosts) paintGhosts(context, camera, layers.ghosts);
  if (layers.truth) paintTruth(context, camera, world, layers.truth);
  if (layers.rewinds) paintRewinds(context, camera, layers.rewinds);
  if (layers.handoffs) paintHandoffs(context, camera, layers.handoffs);
}

function paintInterest(context, camera, { cell, columns }, cells) {
  context.fillStyle = "rgba(110, 190, 255, 0.07)";
  const side = cell * camera.scale;
  for (const each of cells) {
    const x = camera.pixelX((each % columns) * cell);
    context.fillRect(x, camera.pixelY(Math.floor(each / columns) * cell), side, side);
  }
}

function paintCells(context, camera, { cell, columns, rows, width, height }) {
  context.strokeStyle = "rgba(150, 195, 230, 0.16)";
  context.lineWidth = 1;
  context.beginPath();
  for (let column = 0; column <= columns; column += 1) {
    const x = Math.round(camera.pixelX(Math.min(column * cell, width))) + 0.5;
    if (x < 0 || x > camera.width) continue;
    context.moveTo(x, camera.pixelY(0));
    context.lineTo(x, camera.pixelY(height));
  }
  for (let row = 0; row <= rows; row += 1) {
    const y = Math.round(camera.pixelY(Math.min(row * cell, height))) + 0.5;
    if (y < 0 || y > camera.height) continue;
    context.moveTo(camera.pixelX(0), y);
    context.lineTo(camera.pixelX(width), y);
  }
  context.stroke();
}

function paintBorders(context, camera, { leaves, cell, width, height }) {
  context.font = FONT;
  context.textAlign = "center";
  context.setLineDash([7, 6]);
  for (const { shard, x0, y0, x1, y1 } of leaves) {
    const left = camera.pixelX(x0 * cell);
    const top = camera.pixelY(y0 * cell);
    const right = camera.pixelX(Math.min(x1 * cell, width));
    const bottom = camera.pixelY(Math.min(y1 * cell, height));
    if (right < 0 || bottom < 0 || left > camera.width || top > camera.height) continue;
    context.strokeStyle = shardInk(shard, 0.4);
    context.lineWidth = 1.5;
    context.strokeRect(left + 2, top + 2, right - left - 4, bottom - top - 4);
    context.fillStyle = shardInk(shard, 0.75);
    const [from, to] = [Math.max(left, 0), Math.min(right, camera.width)];
    if (to - from < LABEL_ROOM) continue;
    const middle = (from + to) / 2;
    const down = Math.max(top, 0) + LABEL_DOWN;
    // What is told of the own light stands in the upper left.
    context.fillText(`shard ${shard}`, middle, middle < WORDS_RIGHT ? Math.max(down, WORDS_DOWN) : down);
  }
  context.textAlign = "left";
  context.setLineDash([]);
}

function paintGhosts(context, camera, ghosts) {
  context.lineWidth = 1.5;
  context.setLineDash([3, 3]);
  for (const { x, y, shard } of ghosts) {
    if (!camera.shows(x, y, 20)) continue;
    context.strokeStyle = shardInk(shard, 0.85);
    context.beginPath();
    context.arc(camera.pixelX(x), camera.pixelY(y), (8 + 1.5 * (shard % 3)) * camera.scale, 0, 7);
    context.stroke();
  }
  context.setLineDash([]);
}

/** A cross where the server has a body, joined to where it is drawn. */
function paintTruth(context, camera, { bodies }, truth) {
  const drawn = new Map(bodies.map((body) => [body.id, body]));
  context.strokeStyle = TRUTH;
  context.lineWidth = 1;
  context.globalAlpha = 0.8;
  context.beginPath();
  for (const { id, x, y } of truth) {
    if (!camera.shows(x, y, 10)) continue;
    const px = camera.pixelX(x);
    const py = camera.pixelY(y);
    context.moveTo(px - 4, py);
    context.lineTo(px + 4, py);
    context.moveTo(px, py - 4);
    context.lineTo(px, py + 4);
    const body = drawn.get(id);
    if (body === undefined) continue;
    context.moveTo(px, py);
    context.lineTo(camera.pixelX(body.x), camera.pixelY(body.y));
  }
  context.stroke();
  context.globalAlpha = 1;
}

/** Where a shot's target was for its shooter, and as wide as what it had to touch. */
function paintRewinds(context, camera, rewinds) {
  context.font = FONT;
  for (const { x, y, toX, toY, radius, age, hit } of rewinds) {
    context.globalAlpha = 1 - age;
    context.strokeStyle = hit ? "#ff6d86" : "#9fb4c8";
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(camera.pixelX(x), camera.pixelY(y));
    context.lineTo(camera.pixelX(toX), camera.pixelY(toY));
    context.stroke();
    const side = radius * camera.scale;
    const px = camera.pixelX(toX);
    const py = camera.pixelY(toY);
    if (hit) context.strokeRect(px - side, py - side, 2 * side, 2 * side);
    context.fillStyle = context.strokeStyle;
    context.fillText(hit ? "rewound, hit" : "missed", px + side + 4, py - 4);
  }
  context.globalAlpha = 1;
}

function paintHandoffs(context, camera, handoffs) {
  context.font = FONT;
  context.lineWidth = 2;
  for (const { x, y, age, from, to } of handoffs) {
    if (!camera.shows(x, y, 40)) continue;
    const px = camera.pixelX(x);
    const py = camera.pixelY(y);
    context.strokeStyle = shardInk(to, 1 - age);
    context.beginPath();
    context.arc(px, py, (6 + 22 * age) * camera.scale, 0, 7);
    context.stroke();
    context.fillStyle = shardInk(to, 1 - age);
    context.fillText(`${from} → ${to}`, px + 10, py - 10 - 12 * age);
  }
}
