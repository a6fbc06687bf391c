// Draws recorded snapshots with @geckos.io/snapshot-interpolation, in virtual time.
//
//     node geckos.mjs input.json output-prefix
//
// The input has `fps` of the server, `frames` (their moments), `snapshots` (`at`, `tick`, `ids`,
// `xs`, `ys`) and `buffers`: null for the library's own, else milliseconds. Times are seconds. For
// each buffer a file of doubles is written; by frame: now, the tick of the library's clock, the tick
// that is drawn, whether nothing newer was there, how many bodies, and id, x, y of each. As its
// README says, a frame for which there is no interpolation leaves everybody where they were drawn.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { SnapshotInterpolation } = require("@geckos.io/snapshot-interpolation");

const EPOCH_MS = 1e6; // a small time would be taken for a percentage
const [, , inputPath, prefix] = process.argv;
const { fps, frames, snapshots, buffers } = JSON.parse(readFileSync(inputPath, "utf8"));

let nowMs = 0;
Date.now = () => nowMs;

/** @param {number | null} buffer */
function play(buffer) {
  const SI = new SnapshotInterpolation(fps);
  if (buffer !== null) SI.interpolationBuffer.set(buffer);
  const drawn = [];
  let bodies = [];
  let picture = 0;
  let heard = 0;
  for (const frame of frames) {
    for (; heard < snapshots.length && snapshots[heard].at <= frame; heard += 1) {
      const { at, tick, ids, xs, ys } = snapshots[heard];
      nowMs = EPOCH_MS + at * 1000;
      const state = ids.map((id, i) => ({ id, x: xs[i], y: ys[i] }));
      SI.snapshot.add({ id: `${tick}`, time: EPOCH_MS + (tick * 1000) / fps, state });
    }
    nowMs = EPOCH_MS + frame * 1000;
    const snapshot = SI.calcInterpolation("x y");
    if (snapshot) {
      bodies = snapshot.state;
      picture = toTick(SI.serverTime);
    }
    if (picture === 0) continue; // nothing has been drawn yet
    const clock = toTick(nowMs - SI.timeOffset - SI.interpolationBuffer.get());
    drawn.push(frame, clock, picture, snapshot ? 0 : 1, bodies.length);
    for (const { id, x, y } of bodies) drawn.push(id, x, y);
  }
  return Float64Array.from(drawn);
}

function toTick(serverMs) {
  return ((serverMs - EPOCH_MS) * fps) / 1000;
}

for (const [index, buffer] of buffers.entries()) {
  writeFileSync(`${prefix}${index}.bin`, new Uint8Array(play(buffer).buffer));
}
