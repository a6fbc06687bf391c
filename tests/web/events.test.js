import assert from "node:assert/strict";
import { test } from "node:test";

import { Heard } from "../../client_demo/web/shoal/events.js";
import { CLIENT_EVENTS } from "../../client_demo/web/shoal/limits.js";

function tell(heard, ...events) {
  heard.begin();
  return events.map((event) => heard.isNew(...event));
}

test("what was told is passed over as often as it was told", () => {
  const heard = new Heard();
  const told = [
    [7, 1, 0, [5, "ann"]],
    [7, 1, 0, [5, "ann"]],
    [8, 1, 0, [5n, "ann"]],
  ];
  assert.deepEqual(tell(heard, ...told), [true, true, true]);
  assert.deepEqual(tell(heard, ...told), [false, false, false]);
  assert.deepEqual(tell(heard, told[0], told[0], told[0]), [false, false, true], "a third twin");
  assert.deepEqual(tell(heard, [7, 1, 0, ["5", "ann"]]), [true], "a text is no number");
});

test("what a link has brought before it was told again is no news", () => {
  const heard = new Heard();
  assert.deepEqual(tell(heard, [1, 0, 0, []]), [true]);
  assert.deepEqual(tell(heard, [2, 0, 0, []]), [true]);
  assert.deepEqual(tell(heard, [1, 0, 0, []], [2, 0, 0, []], [3, 0, 0, []]), [false, false, true]);
});

test("memory is bounded", () => {
  const heard = new Heard();
  for (let tick = 0; tick <= CLIENT_EVENTS; tick += 1) tell(heard, [tick, 0, 0, []]);
  assert.deepEqual(tell(heard, [0, 0, 0, []]), [true], "the oldest is forgotten");
  assert.deepEqual(tell(heard, [2, 0, 0, []]), [false]);
});
