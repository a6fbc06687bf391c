/**
 * Keys, pointer and touch as a game's inputs.
 *
 * A held direction is sent when it changes and holds until it changes again; a shot, a flare and a
 * dash happen once for each press. What a game does not have is not sent. Keys that switch the page
 * are given to `onCommand`.
 *
 * Must not know: connections, what is drawn.
 */

const SWIM = {
  KeyW: [0, -1], ArrowUp: [0, -1], KeyS: [0, 1], ArrowDown: [0, 1],
  KeyA: [-1, 0], ArrowLeft: [-1, 0], KeyD: [1, 0], ArrowRight: [1, 0],
};
const ONCE = { Space: "Harpoon", KeyF: "ThrowFlare", ShiftLeft: "Dash", ShiftRight: "Dash" };
const BUTTONS = { 0: "Harpoon", 2: "ThrowFlare" };
const COMMANDS = {
  Digit1: "mode1", Digit2: "mode2", Digit3: "mode3", Digit4: "mode4", KeyV: "split",
  KeyB: "borders", KeyC: "cells", KeyG: "ghosts", KeyT: "truth", KeyR: "rewinds", KeyO: "handoffs",
  KeyN: "graphs", KeyP: "panel", KeyH: "help", KeyK: "drop", KeyM: "bots", Enter: "fullscreen",
};
const STICK_PX = 60; // a thumb that is so far from where it came down swims at full speed
const STICK_DEAD_PX = 8;
const TAP_PX = 16;

/**
 * What the keys do, for the help: in the order in which one needs it.
 *
 * @type {readonly (readonly [keys: string, what: string])[]}
 */
export const KEYS = Object.freeze([
  ["W A S D, arrows", "swim"],
  ["left button, tap", "harpoon, at the pointer"],
  ["right button", "flare, at the pointer"],
  ["Space / F", "harpoon / flare, straight ahead"],
  ["Shift", "dash"],
  ["1 2 3 4", "raw / interpolated / + prediction / + extrapolation"],
  ["V", "split view: raw on the left"],
  ["B", "shard borders and their owners"],
  ["C", "cells and your interest"],
  ["G", "ghosts: whom a neighbouring shard knows, too"],
  ["T", "where the server has everybody"],
  ["R", "how shots were judged"],
  ["O", "flashes of handoffs between shards"],
  ["N / P", "graphs / panel"],
  ["K", "drop the connection"],
  ["M", "100 more bots"],
  ["Enter", "full screen"],
  ["H", "this help"],
]);

/**
 * The vector of length 1; the zero vector stays zero.
 *
 * @param {number} dx
 * @param {number} dy
 * @returns {[number, number]}
 */
export function direction(dx, dy) {
  const length = Math.hypot(dx, dy);
  return length > 0 ? [dx / length, dy / length] : [0, 0];
}

/** What the player wants. */
export class Controls {
  #onCommand;
  #held = new Set();
  #pressed = []; // {name, target: [px, py] | null}
  #ahead = [1, 0];
  #sent = [0, 0];
  #stick = null; // {id, x, y, dx, dy} of the thumb that swims
  #aims = new Map(); // where other fingers came down

  /**
   * @param {HTMLElement} canvas that is played on
   * @param {{onCommand: (name: string) => void}} listener
   * @param {EventTarget} [keyboard]
   */
  constructor(canvas, { onCommand }, keyboard = globalThis) {
    this.#onCommand = onCommand;
    keyboard.addEventListener("keydown", (event) => this.#keyDown(event));
    keyboard.addEventListener("keyup", ({ code }) => this.#held.delete(code));
    keyboard.addEventListener("blur", () => this.#letGo());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => this.#pointerDown(event, canvas));
    canvas.addEventListener("pointermove", (event) => this.#pointerMove(event));
    canvas.addEventListener("pointerup", (event) => this.#pointerUp(event));
    canvas.addEventListener("pointercancel", (event) => this.#pointerUp(event));
  }

  /** Where the thumb that swims came down and is now, in pixels of the page; null without one. */
  get stick() {
    return this.#stick;
  }

  /** Something is done once, straight ahead: a button of the page was pressed. */
  press(name) {
    this.#pressed.push({ name, target: null });
  }

  /** Another session, whose server knows of no direction yet. */
  beginAnew() {
    this.#sent = [0, 0];
  }

  /** What was pressed since the last frame is not to happen. */
  forgetPresses() {
    this.#pressed = [];
  }

  /**
   * The inputs that are due.
   *
   * @param {import("../shoal/schema.js").Schema} schema
   * @param {[number, number] | null} me the own avatar's pixel, null while it is not there
   * @returns {{input: string, values: Record<string, number>}[]}
   */
  acts(schema, me) {
    const pressed = this.#pressed;
    this.#pressed = [];
    const acts = this.#steer(schema);
    for (const { name, target } of pressed) {
      const fields = fieldsOf(schema, name);
      if (fields === "") {
        acts.push({ input: name, values: {} });
      } else if (fields === "dx,dy" && me !== null) {
        const [dx, dy] = this.#aim(me, target);
        acts.push({ input: name, values: { dx, dy } });
      }
    }
    return acts;
  }

  #steer(schema) {
    const [dx, dy] = this.#wanted();
    const input = steering(schema);
    if (input === null || (dx === this.#sent[0] && dy === this.#sent[1])) return [];
    this.#sent = [dx, dy];
    if (dx !== 0 || dy !== 0) this.#ahead = direction(dx, dy);
    return [{ input, values: { dx, dy } }];
  }

  #wanted() {
    if (this.#stick !== null) return [this.#stick.dx, this.#stick.dy];
    const ways = new Set([...this.#held].map((code) => SWIM[code])); // two keys may be one way
    let [dx, dy] = [0, 0];
    const known = new Set();
    for (const way of ways) {
      if (way === undefined || known.has(`${way}`)) continue;
      known.add(`${way}`);
      dx += way[0];
      dy += way[1];
    }
    return direction(dx, dy);
  }

  #aim(me, target) {
    if (target === null) return this.#ahead;
    const aim = direction(target[0] - me[0], target[1] - me[1]);
    return aim[0] === 0 && aim[1] === 0 ? this.#ahead : aim;
  }

  #keyDown(event) {
    const { code, target } = event;
    if (event.ctrlKey || event.altKey || event.metaKey || isTypedIn(target)) return;
    const isOnButton = target?.tagName === "BUTTON" && (code === "Space" || code === "Enter");
    if (isOnButton) return;
    if (code in SWIM || code in ONCE || code in COMMANDS) event.preventDefault();
    if (event.repeat) return;
    if (code in SWIM) this.#held.add(code);
    else if (code in ONCE) this.press(ONCE[code]);
    else if (code in COMMANDS) this.#onCommand(COMMANDS[code]);
  }

  #letGo() {
    this.#held.clear(); // their releases go to another window
    this.#stick = null;
    this.#aims.clear();
  }

  #pointerDown(event, canvas) {
    canvas.focus?.();
    const place = [event.offsetX, event.offsetY];
    if (event.pointerType !== "touch") {
      if (event.button in BUTTONS) this.#pressed.push({ name: BUTTONS[event.button], target: place });
      return;
    }
    event.preventDefault();
    canvas.setPointerCapture?.(event.pointerId);
    if (this.#stick === null && place[0] < canvas.clientWidth / 2) {
      const { pointerId: id, clientX: x, clientY: y } = event;
      this.#stick = { id, x, y, toX: x, toY: y, dx: 0, dy: 0 };
    } else {
      this.#aims.set(event.pointerId, place);
    }
  }

  #pointerMove({ pointerId, clientX, clientY }) {
    const stick = this.#stick;
    if (stick?.id !== pointerId) return;
    const [across, down] = [clientX - stick.x, clientY - stick.y];
    const length = Math.hypot(across, down);
    const far = length < STICK_DEAD_PX ? 0 : Math.min(length / STICK_PX, 1);
    const [x, y] = direction(across, down);
    // Eighths are fine enough for a thumb, and are not sent with its every tremble.
    stick.dx = Math.round(x * far * 8) / 8;
    stick.dy = Math.round(y * far * 8) / 8;
    stick.toX = stick.x + x * far * STICK_PX;
    stick.toY = stick.y + y * far * STICK_PX;
  }

  #pointerUp({ pointerId, type, offsetX, offsetY }) {
    if (this.#stick?.id === pointerId) this.#stick = null;
    const began = this.#aims.get(pointerId);
    this.#aims.delete(pointerId);
    if (began === undefined || type === "pointercancel") return;
    if (Math.hypot(offsetX - began[0], offsetY - began[1]) <= TAP_PX) {
      this.#pressed.push({ name: "Harpoon", target: began });
    }
  }
}

/** The input that the game's motion is bound to, if it has one with a direction. */
function steering(schema) {
  for (const { motion } of schema.kinds) {
    const name = motion?.input ?? null;
    if (name !== null && fieldsOf(schema, name) === "dx,dy") return name;
  }
  return null;
}

function fieldsOf(schema, name) {
  const input = schema.inputs.find((each) => each.name === name);
  return input === undefined ? null : input.fields.map((field) => field.name).join(",");
}

function isTypedIn(target) {
  return target?.tagName === "INPUT" && !["range", "checkbox", "button"].includes(target.type);
}
