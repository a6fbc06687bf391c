// Plays what a Python client played (`test_playing.py`), and fails where the JavaScript one differs.
//
//   node play.js SCRIPT
//
// Prints one JSON line: how much was compared.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { Client } from "../../client_demo/web/shoal/client.js";
import { fromHex, itemOf, toHex } from "./vectors.js";

const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n").map(JSON.parse);
const totals = { calls: 0, bodies: 0, frames: 0, messages: 0, sent: 0 };
const CLOSE = 1e-6; // units: a decaying offset is all that may differ, in its last bits
const client = new Client(lines[0].name);

/** What a call gives here, in the form in which the script has it. */
const CALLS = {
  start: () => toHex(client.start()),
  reconnect: () => toHex(client.reconnect()),
  receive: ({ hex, now }) => client.receive(fromHex(hex), now).type,
  tick: ({ now }) => client.tick(now) ?? null,
  outgoing: () => client.outgoing().map(toHex),
  send_input: ({ kind, values, now }) => client.sendInput(kind, values, now),
  origin: ({ now }) => client.origin(now),
  screen: ({ now }) => {
    const shown = [...client.screen(now)].map(([id, at]) => {
      return [id, at.kind, at.x, at.y, at.vx, at.vy, at.held, at.fields];
    });
    return shown.sort(([one], [other]) => (BigInt(one) < BigInt(other) ? -1 : 1));
  },
  statistics: () => {
    const told = client.statistics();
    return {
      bytes_received: told.bytesReceived,
      snapshots: told.snapshots,
      crc_checks: told.crcChecks,
      mismatches: told.mismatches,
      inputs: told.inputs,
      inputs_lost: told.inputsLost,
      events: told.events,
      resumes: told.resumes,
      corrections: told.corrections,
      rubber_bands: told.rubberBands,
      round_trip_s: told.roundTripS,
      view_age_s: told.viewAgeS,
      stalls: told.stalls,
      render_tick: client.timeline.shown,
      private: client.private,
      scores: client.scores.map(({ entity, name, score }) => [entity, name, score]),
    };
  },
};

/** Equal, but for the last bits of numbers with a fraction. */
function same(ours, theirs, where) {
  if (typeof ours === "number" && typeof theirs === "number") {
    assert.ok(Math.abs(ours - theirs) <= CLOSE, `${where}: ${ours}, not ${theirs}`);
  } else if (typeof ours === "object" && ours !== null && theirs !== null) {
    assert.deepEqual(Object.keys(ours), Object.keys(theirs), where);
    for (const key of Object.keys(ours)) same(ours[key], theirs[key], `${where} ${key}`);
  } else {
    assert.equal(ours, theirs, where);
  }
}

for (const [number, line] of lines.entries()) {
  if (line.call === "new") continue;
  const ours = CALLS[line.call](line);
  const where = `line ${number + 1}, ${line.call} at ${line.now}`;
  totals.calls += 1;
  if (line.call === "screen") {
    totals.frames += 1;
    totals.bodies += ours.length;
  } else if (line.call === "receive") {
    totals.messages += 1;
  } else if (line.call === "outgoing") {
    totals.sent += ours.length;
  }
  same(ours, itemOf(line.gave), where);
}
process.stdout.write(`${JSON.stringify(totals)}\n`);
