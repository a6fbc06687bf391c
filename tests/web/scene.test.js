// What the page shows beyond the client's screen: trails, traces of events, handoffs, ghosts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Mode } from "../../client_demo/web/shoal/client.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import { Scene } from "../../client_demo/web/app/scene.js";

const GEOMETRY = Geometry.fromData({
  size: [2048, 1024],
  cell: 64,
  interest: [140, 200, 260, 320],
  version: 1,
  shards: [
    [0, 0, 0, 16, 16],
    [1, 16, 0, 32, 16],
  ],
});

/** A client with bodies that a test puts where it likes. */
function made(bodies) {
  const client = {
    entity: 1,
    geometry: GEOMETRY,
    private: {},
    timeline: { shown: 10 },
    schema: {
      interest: GEOMETRY.interest,
      jump: 64,
      kinds: [{ name: "Diver" }, { name: "Fish" }, { name: "Leviathan" }],
    },
    screen: () => new Map(bodies.map((body) => [body.id, { ...STILL, ...body }])),
  };
  return { client, scene: new Scene(client), bodies };
}

const STILL = { kind: 0, shard: 0, x: 500, y: 500, vx: 0, vy: 0, fields: { light: 10 }, held: false };

function event(name, tick, values) {
  return { name, tick, shard: 0, values };
}

test("the own avatar is among the bodies, and its light says how far it sees", () => {
  const { scene, bodies } = made([{ id: 1, fields: { light: 119 } }, { id: 2, kind: 1 }]);
  scene.update(0, []);
  assert.equal(scene.me.id, 1);
  assert.deepEqual(scene.bodies.map(({ kind }) => kind), ["Diver", "Fish"]);
  assert.equal(scene.sight, 200);
  bodies[0].fields = { light: 300 };
  scene.update(0.1, []);
  assert.equal(scene.sight, 320);
});

test("divers leave trails, which end after four seconds and do not follow a jump", () => {
  const { scene, bodies } = made([{ id: 1 }, { id: 2, kind: 1 }]);
  for (let frame = 0; frame < 600; frame += 1) {
    bodies[0].x = 500 + frame / 10;
    scene.update(frame / 60, []);
  }
  assert.deepEqual([...scene.trails.keys()], [1]);
  const trail = scene.trails.get(1);
  assert.ok(trail.length > 70 && trail.length < 85, `${trail.length} points`);
  assert.ok(trail[0].at >= 599 / 60 - 4);
  bodies[0].x = 900;
  scene.update(10, []);
  assert.deepEqual(scene.trails.get(1).map(({ x }) => x), [900]);
  bodies.shift();
  scene.update(10.1, []);
  assert.equal(scene.trails.size, 0);
});

test("an event is seen when its tick is shown, one's own at once", () => {
  const { client, scene } = made([{ id: 1 }]);
  const of = (shooter) => ({ shooter, target: 0, x: 1, y: 2, hit_x: 3, hit_y: 4 });
  scene.update(0, [event("Harpooned", 12, of(7)), event("Harpooned", 12, of(1))]);
  assert.equal(scene.effects(0.1).length, 1);
  client.timeline.shown = 12.5;
  scene.update(0.2, []);
  assert.equal(scene.effects(0.2).length, 2);
  assert.equal(scene.rewinds(0.2).length, 2);
  assert.equal(scene.effects(0.5).length, 1, "the first is over");
  assert.equal(scene.effects(3).length, 0);
});

test("in raw mode nothing waits", () => {
  const { scene } = made([{ id: 1 }]);
  scene.mode = Mode.RAW;
  scene.update(0, [event("Snuffed", 99, { diver: 5, x: 1, y: 2 })]);
  assert.equal(scene.effects(0).length, 1);
});

test("light that was won or lost is told to whom it concerns", () => {
  const { scene } = made([{ id: 1 }]);
  const robbed = (victim, thief) => event("Robbed", 1, { victim, thief, light: 4, x: 1, y: 2 });
  scene.update(0, [robbed(1, 2), robbed(2, 1), robbed(2, 3)]);
  assert.deepEqual(scene.effects(0).map(({ gain }) => gain), [-4, 4, 0]);
});

test("a shot's box is as wide as what it was judged by", () => {
  const { scene } = made([{ id: 1 }, { id: 9, kind: 2 }]);
  const shot = { shooter: 1, target: 9, x: 1, y: 2, hit_x: 3, hit_y: 4 };
  scene.update(0, [event("Harpooned", 1, shot)]);
  const [box] = scene.rewinds(0.1);
  assert.equal(box.radius, 30);
  assert.equal(box.hit, true);
  assert.deepEqual([box.x, box.toX], [1, 3]);
});

test("whoever changes hands flashes, where it is now", () => {
  const { scene, bodies } = made([{ id: 1 }, { id: 2, kind: 1 }]);
  scene.update(0, []);
  assert.equal(scene.handoffs(0).length, 0);
  bodies[1].shard = 1;
  scene.update(0.1, []);
  bodies[1].x = 510;
  scene.update(0.2, []);
  const [flash] = scene.handoffs(0.2);
  assert.deepEqual([flash.from, flash.to, flash.x], [0, 1, 510]);
  assert.equal(scene.handoffs(2).length, 0);
});

test("near a border the other shard has a ghost", () => {
  const { scene, bodies } = made([{ id: 1, x: 1000 }, { id: 2, x: 1030, shard: 1 }, { id: 3, x: 600 }]);
  scene.update(0, []);
  assert.deepEqual(scene.ghosts().map(({ x, shard }) => [x, shard]), [[1000, 1], [1030, 0]]);
  bodies[0].x = 770; // four cells away is still within reach
  scene.update(0.1, []);
  assert.equal(scene.ghosts().length, 2);
});

test("a shot is seen before the server says what came of it, but not while the harpoon is wound", () => {
  const { client, scene } = made([{ id: 1 }]);
  scene.update(0, []);
  client.private.harpoon_wait = 3;
  scene.aimed(1, 0, 0);
  assert.equal(scene.effects(0).length, 0);
  client.private.harpoon_wait = 0;
  scene.aimed(1, 0, 0);
  const [aimed] = scene.effects(0);
  assert.deepEqual([aimed.name, aimed.x, aimed.toX], ["Aimed", 500, 700]);
});
