import assert from "node:assert/strict";
import { test } from "node:test";

import { Heard } from "../../client_demo/web/shoal/events.js";
import { CLIENT_EVENTS } from "../../client_demo/web/shoal/limits.js";

test("what was told is passed over after a resume as often as it was told", () => {
  const heard = new Heard();
  const told = [
    [7, 1, 0, [5, "ann"]],
    [7, 1, 0, [5, "ann"]],
    [8, 1, 0, [5n, "ann"]],
  ];
  assert.deepEqual(told.map((event) => heard.isNew(...event)), [true, true, true]);
  heard.cameBack();
  assert.deepEqual(told.map((event) => heard.isNew(...event)), [false, false, false]);
  assert.ok(heard.isNew(7, 1, 0, [5, "ann"]), "a third twin was not told before");
  assert.ok(heard.isNew(7, 1, 0, ["5", "ann"]), "a text is no number");
});

test("what is told on a second link is known on the third, and memory is bounded", () => {
  const heard = new Heard();
  for (let tick = 0; tick <= CLIENT_EVENTS; tick += 1) heard.isNew(tick, 0, 0, []);
  heard.cameBack();
  assert.ok(heard.isNew(0, 0, 0, []), "the oldest is forgotten");
  assert.ok(!heard.isNew(2, 0, 0, []));
  heard.cameBack();
  assert.ok(!heard.isNew(0, 0, 0, []));
});
