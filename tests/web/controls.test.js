// Keys, pointer and thumbs become inputs; what is typed elsewhere does not.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Camera } from "../../client_demo/web/app/camera.js";
import { Controls, KEYS } from "../../client_demo/web/app/controls.js";

const DIRECTED = [{ name: "dx" }, { name: "dy" }];
const SCHEMA = {
  kinds: [{ motion: null }, { motion: { input: "Steer" } }],
  inputs: [
    { name: "Steer", fields: DIRECTED },
    { name: "Harpoon", fields: DIRECTED },
    { name: "Dash", fields: [] },
  ],
};
const ME = [100, 100];

/** Something that hears events, and the controls that listen to it. */
function made() {
  const listeners = {};
  const commands = [];
  const target = {
    clientWidth: 400,
    addEventListener: (type, listener) => {
      listeners[type] = listener;
    },
  };
  const controls = new Controls(target, { onCommand: (name) => commands.push(name) }, target);
  let prevented = 0;
  const tell = (type, event = {}) => {
    listeners[type]({ preventDefault: () => (prevented += 1), target: null, ...event });
  };
  const down = (code, more = {}) => tell("keydown", { code, ...more });
  const up = (code) => tell("keyup", { code });
  return { controls, tell, down, up, commands, prevented: () => prevented };
}

test("a direction is sent when it changes, and only then", () => {
  const { controls, down, up } = made();
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
  down("KeyD");
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 1, dy: 0 } }]);
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
  down("ArrowRight"); // the same way twice is one way
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
  down("KeyS");
  const [{ values }] = controls.acts(SCHEMA, ME);
  assert.ok(Math.abs(Math.hypot(values.dx, values.dy) - 1) < 1e-12);
  for (const code of ["KeyD", "ArrowRight", "KeyS"]) up(code);
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 0, dy: 0 } }]);
});

test("a new session is told anew", () => {
  const { controls, down } = made();
  down("KeyA");
  controls.acts(SCHEMA, ME);
  controls.beginAnew();
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: -1, dy: 0 } }]);
});

test("a shot is aimed at the pointer, or ahead; what the game has not is not sent", () => {
  const { controls, tell, down, up } = made();
  down("KeyW");
  controls.acts(SCHEMA, ME);
  up("KeyW");
  controls.acts(SCHEMA, ME);
  tell("pointerdown", { pointerType: "mouse", button: 0, offsetX: 130, offsetY: 140 });
  down("Space");
  down("KeyF");
  down("ShiftLeft");
  assert.deepEqual(controls.acts(SCHEMA, ME), [
    { input: "Harpoon", values: { dx: 0.6, dy: 0.8 } },
    { input: "Harpoon", values: { dx: 0, dy: -1 } },
    { input: "Dash", values: {} },
  ]);
  down("Space");
  assert.deepEqual(controls.acts(SCHEMA, null), [], "nobody is there to shoot");
  down("Space");
  controls.forgetPresses();
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
});

test("keys that are held repeat nothing, and another window lets go of them", () => {
  const { controls, tell, down } = made();
  down("Space");
  down("Space", { repeat: true });
  assert.equal(controls.acts(SCHEMA, ME).length, 1);
  down("KeyD");
  controls.acts(SCHEMA, ME);
  tell("blur");
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 0, dy: 0 } }]);
});

test("the browser keeps its own keys, and a field what is typed into it", () => {
  const { controls, down, commands, prevented } = made();
  down("KeyT", { ctrlKey: true });
  down("KeyW", { target: { tagName: "INPUT", type: "text" } });
  down("F5");
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
  assert.deepEqual(commands, []);
  assert.equal(prevented(), 0);
  down("Digit2", { target: { tagName: "INPUT", type: "range" } });
  down("KeyV");
  down("Space", { target: { tagName: "BUTTON" } });
  assert.deepEqual(commands, ["mode2", "split"]);
  assert.deepEqual(controls.acts(SCHEMA, ME), []);
});

test("a thumb swims as far as it is pushed, a tap shoots, a swipe does not", () => {
  const { controls, tell } = made();
  const touch = (type, pointerId, x, y) => {
    const place = { clientX: x, clientY: y, offsetX: x, offsetY: y };
    tell(type, { pointerType: "touch", pointerId, type, ...place });
  };
  touch("pointerdown", 1, 50, 300);
  touch("pointermove", 1, 53, 300);
  assert.deepEqual(controls.acts(SCHEMA, ME), [], "a thumb that rests does not swim");
  touch("pointermove", 1, 80, 300);
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 0.5, dy: 0 } }]);
  touch("pointermove", 1, 50, 500);
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 0, dy: 1 } }]);
  touch("pointerdown", 2, 300, 100);
  touch("pointerup", 2, 302, 101);
  touch("pointerdown", 3, 300, 100);
  touch("pointerup", 3, 390, 100);
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Harpoon", values: { dx: 1, dy: 0 } }]);
  touch("pointerup", 1, 50, 500);
  assert.deepEqual(controls.acts(SCHEMA, ME), [{ input: "Steer", values: { dx: 0, dy: 0 } }]);
});

test("every key of the help is one that does something", () => {
  const { down, commands } = made();
  for (const key of "1234VBCGTROKMHNP") {
    down(key < "A" ? `Digit${key}` : `Key${key}`);
    assert.ok(KEYS.some(([keys]) => keys.split(/[ /]+/).includes(key)), `${key} is not told of`);
  }
  assert.equal(commands.length, 16);
});

test("a camera comes after, stays within the shore, and jumps when it must", () => {
  const camera = new Camera();
  camera.resize(900, 570);
  camera.see(150, 0);
  assert.equal(camera.scale, 2);
  const world = { jump: 64, width: 2000, height: 1000 };
  camera.follow(1000, 500, 0, world);
  assert.deepEqual(camera.pixel(1000, 500), [450, 285]);
  camera.follow(1010, 500, 0.05, world);
  assert.ok(camera.x > 1000 && camera.x < 1010, "softly");
  camera.follow(5, 5, 0.05, world);
  assert.deepEqual([camera.x, camera.y], [205, 122.5], "no more than the shore is seen");
  assert.equal(camera.shows(0, 0, 0), true);
  assert.equal(camera.shows(700, 0, 10), false);
});
