/**
 * The bar of a recording that is played: where it is, how fast it goes, and buttons for that.
 *
 * Must not know: clients, sockets.
 */

import { ask, wish } from "./actions.js";
import { make, write } from "./dom.js";

/** Where a server has one. */
export const REPLAY = "replay";

const LOOK_EVERY_S = 0.25;
const KEYS = { Space: "pause", Period: "step", Minus: "slower", Equal: "faster", NumpadAdd: "faster", NumpadSubtract: "slower" };

/**
 * @typedef {object} Told
 * @property {number} tick
 * @property {number} first
 * @property {number} last
 * @property {number} hz
 * @property {number} speed
 * @property {number[]} speeds
 * @property {boolean} paused
 * @property {boolean} ended
 */

/** Tells the server what is pressed, and shows what it tells. */
export class Deck {
  #pause;
  #step = button(".", "one tick on");
  #slower = button("-", "slower");
  #faster = button("+", "faster");
  #speed = make("span", { className: "speed" });
  #place = make("span", { className: "place" });
  #done = make("i");
  #told = null;
  #due = 0;
  #isAsking = false;

  /**
   * @param {HTMLElement} root that it fills
   * @param {EventTarget} [keyboard]
   */
  constructor(root, keyboard = globalThis) {
    this.#pause = button("", "pause or play");
    const bar = make("div", { className: "bar" }, [this.#done]);
    root.append(this.#pause, this.#step, this.#slower, this.#speed, this.#faster, bar, this.#place);
    const commands = { pause: this.#pause, step: this.#step, slower: this.#slower, faster: this.#faster };
    for (const [command, each] of Object.entries(commands)) {
      each.addEventListener("click", () => {
        this.command(command);
        each.blur(); // keys are the page's again
      });
    }
    keyboard.addEventListener("keydown", (event) => {
      const command = KEYS[event.code];
      if (command === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!event.repeat || command === "step") this.command(command);
    });
  }

  /** Look now and then how it is played. @param {number} now in seconds */
  async update(now) {
    if (this.#isAsking || now < this.#due) return;
    this.#due = now + LOOK_EVERY_S;
    this.#isAsking = true;
    this.#take(await ask(REPLAY));
    this.#isAsking = false;
  }

  /** Do what a button says. @param {"pause" | "step" | "slower" | "faster"} command */
  async command(command) {
    const told = this.#told;
    if (told === null) return;
    const wished = wishOf(command, told);
    if (wished !== null) this.#take((await wish(REPLAY, wished)).told);
  }

  /** @param {Told | null} told */
  #take(told) {
    if (told === null) return;
    this.#told = told;
    write(this.#pause, told.paused ? "play" : "pause");
    write(this.#speed, `${told.speed}x`);
    write(this.#place, placeOf(told));
    this.#pause.disabled = this.#step.disabled = told.ended;
    this.#slower.disabled = told.speed === told.speeds[0];
    this.#faster.disabled = told.speed === told.speeds.at(-1);
    const share = (told.tick - told.first) / Math.max(told.last - told.first, 1);
    this.#done.style.width = `${(share * 100).toFixed(2)}%`;
  }
}

/**
 * What to ask for; null if there is nothing.
 *
 * @param {string} command
 * @param {Told} told
 */
export function wishOf(command, { paused, speed, speeds }) {
  if (command === "pause") return { paused: !paused };
  if (command === "step") return { step: true };
  const next = speeds[speeds.indexOf(speed) + (command === "faster" ? 1 : -1)];
  return next === undefined ? null : { speed: next };
}

/** Where it is, in words. @param {Told} told */
export function placeOf({ tick, first, last, hz, ended }) {
  const clock = (at) => {
    const seconds = Math.ceil(Math.max(at - first, 0) / hz);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  };
  return `${clock(tick)} of ${clock(last)}, tick ${tick}${ended ? " - the end" : ""}`;
}

function button(text, label) {
  return make("button", { type: "button", textContent: text, title: label, "aria-label": label });
}
