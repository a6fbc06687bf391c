import assert from "node:assert/strict";
import { test } from "node:test";

import { Heard } from "../../client_demo/web/shoal/events.js";
import { CLIENT_EVENTS } from "../../client_demo/web/shoal/limits.js";

test("what was told is passed over as often as it was told", () => {
  const heard = new Heard();
  const told = [
    [7, 1, 0, [5, "ann"]],
    [7, 1, 0, [5, "ann"]],
    [8, 1, 0, [5n, "ann"]],
  ];
  const first = heard.begin();
  assert.deepEqual(told.map((event) => first.isNew(...event)), [true, true, true]);
  for (let times = 0; times < 2; times += 1) {
    const again = heard.begin();
    assert.deepEqual(told.map((event) => again.isNew(...event)), [false, false, false]);
    assert.ok(times > 0 || again.isNew(7, 1, 0, [5, "ann"]), "a third twin was not told before");
  }
  assert.ok(heard.begin().isNew(7, 1, 0, ["5", "ann"]), "a text is no number");
});

test("memory is bounded", () => {
  const heard = new Heard();
  for (let tick = 0; tick <= CLIENT_EVENTS; tick += 1) heard.begin().isNew(tick, 0, 0, []);
  assert.ok(heard.begin().isNew(0, 0, 0, []), "the oldest is forgotten");
  assert.ok(!heard.begin().isNew(2, 0, 0, []));
});
