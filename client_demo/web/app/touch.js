/**
 * What fingers need on the screen: the stick under the thumb, buttons for a flare and a dash, and one
 * for the panel.
 *
 * Shown only where the first pointer is a coarse one. Must not know: connections.
 */

import { make, show } from "./dom.js";

const BUTTONS = [
  ["ThrowFlare", "flare"],
  ["Dash", "dash"],
];

/** The stick and the buttons. */
export class Touch {
  #controls;
  #base = make("i", { className: "stick", hidden: true });
  #knob = make("i", { className: "knob", hidden: true });

  /**
   * @param {HTMLElement} root
   * @param {import("./controls.js").Controls} controls
   * @param {{onCommand: (name: string) => void}} listener
   */
  constructor(root, controls, { onCommand }) {
    this.#controls = controls;
    const buttons = BUTTONS.map(([name, label]) => {
      const button = make("button", { type: "button", textContent: label, className: "round" });
      button.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        controls.press(name);
      });
      return button;
    });
    const menu = make("button", { type: "button", textContent: "netcode", className: "menu" });
    menu.addEventListener("click", () => onCommand("panel"));
    root.append(this.#base, this.#knob, ...buttons, menu);
    show(root, matchMedia("(pointer: coarse)").matches);
  }

  /** Put the stick where the thumb is. */
  draw() {
    const { stick } = this.#controls;
    show(this.#base, stick !== null);
    show(this.#knob, stick !== null);
    if (stick === null) return;
    this.#base.style.translate = `${stick.x}px ${stick.y}px`;
    this.#knob.style.translate = `${stick.toX}px ${stick.toY}px`;
  }
}
