// The link conditioner: the times of the Python model, to the bit, and what it promises by itself.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  ConditionedLink, PRESETS, Pipe, findProfile, makeProfile, meanDelayS, roundTripS,
} from "../../client_demo/web/shoal/link.js";

const vectors = JSON.parse(
  readFileSync(new URL("../vectors/link.json", import.meta.url), "utf8"),
);

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());
const renamed = (named) =>
  Object.fromEntries(Object.entries(named).map(([name, value]) => [camel(name), value]));

test("the presets are those of the Python model, no more and no less", () => {
  const named = vectors.filter(({ name }) => name !== "");
  assert.deepEqual(new Set(named.map(({ name }) => name)), new Set(Object.keys(PRESETS)));
  for (const { name, profile } of named) assert.deepEqual(PRESETS[name], renamed(profile), name);
});

for (const { name, profile, seed, pushes, statistics } of vectors) {
  test(`the link ${name || "of its own"} with seed ${seed} has the times of the vectors`, () => {
    const pipe = new Pipe(renamed(profile), seed);
    for (const [size, now, arrives] of pushes) assert.equal(pipe.push(size, now), arrives);
    assert.deepEqual(pipe.statistics(), renamed(statistics));
  });
}

test("an unknown link is answered with the list of links", () => {
  assert.equal(findProfile("poor"), PRESETS.poor);
  assert.throws(() => findProfile("toString"), /no link; there are clean, good, average/);
});

test("nothing overtakes, nothing is early, and a profile may change on the way", () => {
  const pipe = new Pipe(PRESETS.mobile, 3);
  let last = -Infinity;
  for (let tick = 0; tick < 4000; tick += 1) {
    if (tick === 2000) pipe.profile = makeProfile({ delayS: 0.01 });
    const arrives = pipe.push(400, tick / 20);
    assert.ok(arrives >= last, "a message overtook another");
    assert.ok(arrives >= tick / 20 + pipe.profile.delayS, "a message was early");
    last = arrives;
  }
  assert.equal(last, 3999 / 20 + 0.01);
});

test("a full queue holds a sender back until there is room", () => {
  const pipe = new Pipe(makeProfile({ bytesPerS: 1000, queueBytes: 500 }));
  assert.equal(pipe.heldUntil(2), 2);
  pipe.push(1500, 2);
  assert.equal(pipe.backlog(2), 1500);
  assert.equal(pipe.heldUntil(2), 3);
  assert.equal(pipe.backlog(3), 500);
});

test("the mean delay is as declared, and both directions have a chance of their own", () => {
  const { up, down } = new ConditionedLink({ ...PRESETS.average, loss: 0 }, 11);
  let waited = 0;
  let equal = 0;
  for (let tick = 0; tick < 20000; tick += 1) {
    const upward = up.push(100, tick / 20) - tick / 20;
    waited += upward;
    equal += upward === down.push(100, tick / 20) - tick / 20;
  }
  assert.ok(Math.abs(waited / 20000 - meanDelayS(PRESETS.average)) < 0.001);
  assert.ok(equal < 5000, "both directions have the same times");
  assert.equal(roundTripS(PRESETS.average), 0.1);
});
