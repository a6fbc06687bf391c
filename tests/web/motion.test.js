// The motion model gives the bits of the server: every step of the golden vectors.

import assert from "node:assert/strict";
import { test } from "node:test";

import { heldThrust, intend, step } from "../../client_demo/web/shoal/motion.js";
import { load } from "./vectors.js";

test("every step of the vectors, to the bit", () => {
  const vectors = load("motion");
  assert.ok(vectors.length >= 90);
  for (const [number, { parameters, input, before, after }] of vectors.entries()) {
    if (input !== null) {
      const held = heldThrust(...input);
      assert.deepEqual(held, [before.thrust_x, before.thrust_y], `vector ${number}: the thrust`);
    }
    const columns = { ...before };
    step(parameters, columns);
    assert.deepEqual({ ...after, ...columns }, { ...columns, ...after }, `vector ${number}`);
  }
});

test("inputs that the model does not bind change nothing", () => {
  const columns = { thrust_x: 0, thrust_y: 0, dash: 0 };
  const parameters = { input: "Steer", dash_input: null };
  intend(parameters, columns, "Harpoon", { dx: 1, dy: 0 });
  assert.deepEqual(columns, { thrust_x: 0, thrust_y: 0, dash: 0 });
  intend(parameters, columns, "Steer", { dx: 3, dy: 4 });
  assert.deepEqual([columns.thrust_x, columns.thrust_y], [0.6015625, 0.80078125]);
});
