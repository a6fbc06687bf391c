/**
 * The panel: how the world is shown, what is laid over it, and the link that is simulated.
 *
 * Must not know: clients, sockets.
 */

import { PRESETS } from "../shoal/link.js";
import { make, show, write } from "./dom.js";
import { OFF } from "./simulated.js";

const MODES = [
  ["mode1", "1", "raw"],
  ["mode2", "2", "interpolated"],
  ["mode3", "3", "+ prediction"],
  ["mode4", "4", "+ extrapolation"],
];
const LAYERS = [
  ["borders", "B", "shard borders, owners"],
  ["cells", "C", "cells and interest"],
  ["ghosts", "G", "ghosts"],
  ["truth", "T", "server-true positions"],
  ["rewinds", "R", "rewind boxes"],
  ["handoffs", "O", "handoff flashes"],
];
const RATES_KBIT = [32, 64, 128, 256, 500, 1000, 2000, 5000, 10_000, 20_000, null];
const DELAY_AUTO = -10; // the slider's leftmost place

/**
 * @typedef {object} State
 * @property {number} mode
 * @property {boolean} split
 * @property {Record<string, boolean>} layers
 * @property {boolean} graphs
 * @property {{bots: number, bots_max: number} | null} bots
 * @property {string} refusal why there are no more bots
 * @property {boolean} connected
 * @property {number | null} delayMs
 * @property {number} delayNowMs
 */

/** Buttons and sliders. */
export class Panel {
  #onCommand;
  #onLink;
  #onDelay;
  #toggles = new Map(); // by command
  #sliders = {};
  #preset;
  #bots;
  #drop;
  #refusal = make("p", { className: "quiet refusal", role: "status" });
  #delay;

  /**
   * @param {HTMLElement} root
   * @param {object} listener
   * @param {(name: string) => void} listener.onCommand
   * @param {(settings: import("./simulated.js").LinkSettings) => void} listener.onLink
   * @param {(ms: number | null) => void} listener.onDelay
   */
  constructor(root, { onCommand, onLink, onDelay }) {
    this.#onCommand = onCommand;
    this.#onLink = onLink;
    this.#onDelay = onDelay;
    root.append(
      section("See the netcode", [
        make("div", { className: "modes" }, MODES.map((each) => this.#toggle(...each))),
        make("div", { className: "row" }, [
          this.#toggle("split", "V", "split view"),
          this.#toggle("graphs", "N", "graphs"),
        ]),
      ]),
      section("Simulated link", this.#linkControls()),
      section("Interpolation delay", [this.#makeDelay()]),
      section("Overlays", [make("div", { className: "layers" }, LAYERS.map((each) => this.#toggle(...each)))]),
      section("Try it", [this.#actions(), this.#refusal]),
    );
  }

  /** Show how things stand; a few times a second. @param {State} state */
  show({ mode, split, layers, graphs, bots, refusal, connected, delayMs, delayNowMs }) {
    const on = { split, graphs, ...layers };
    for (const [command] of MODES) on[command] = command === `mode${mode}`;
    for (const [command, button] of this.#toggles) {
      const pressed = String(on[command]);
      if (button.getAttribute("aria-pressed") !== pressed) button.setAttribute("aria-pressed", pressed);
    }
    show(this.#bots, bots !== null);
    if (bots !== null) {
      write(this.#bots.lastChild, `+100 bots (${bots.bots} of ${bots.bots_max})`);
      this.#bots.disabled = bots.bots >= bots.bots_max;
    }
    write(this.#refusal, refusal);
    this.#drop.disabled = !connected;
    const now = `${Math.round(delayNowMs)} ms`;
    write(this.#delay.output, delayMs === null ? `auto, now ${now}` : `${delayMs} ms`);
  }

  // --- inside --------------------------------------------------------------------------------------

  #toggle(command, key, label) {
    const button = this.#button(command, key, label);
    button.setAttribute("aria-pressed", "false");
    this.#toggles.set(command, button);
    return button;
  }

  #button(command, key, label) {
    const button = make("button", { type: "button" }, [make("kbd", { textContent: key }), make("span", { textContent: label })]);
    button.addEventListener("click", () => {
      this.#onCommand(command);
      giveBack();
    });
    return button;
  }

  #actions() {
    this.#drop = this.#button("drop", "K", "drop the connection");
    this.#bots = this.#button("bots", "M", "+100 bots");
    return make("div", { className: "row" }, [this.#drop, this.#bots]);
  }

  #linkControls() {
    const names = ["off", ...Object.keys(PRESETS), "custom"];
    const options = names.map((name) => make("option", { value: name, textContent: name }));
    this.#preset = make("select", { id: "preset" }, options);
    this.#preset.addEventListener("change", () => {
      this.#showPreset(this.#preset.value);
      this.#tell();
      giveBack();
    });
    const sliders = [
      this.#slider("latency", "latency, both ways", 0, 600, 10, (ms) => `${ms} ms`),
      this.#slider("jitter", "jitter", 0, 150, 1, (ms) => `${ms} ms`),
      this.#slider("stalls", "TCP stalls: a lost packet holds up what is behind it", 0, 20, 0.5, (share) => `${share} %`),
      this.#slider("rate", "bandwidth", 0, RATES_KBIT.length - 1, 1, (at) => nameOfRate(RATES_KBIT[at])),
    ];
    this.#showPreset("off");
    const label = make("label", { className: "slider" }, [make("span", { textContent: "preset" }), this.#preset]);
    return [label, ...sliders];
  }

  #slider(name, label, min, max, step, told) {
    const output = make("output");
    const input = make("input", { type: "range", min, max, step, value: 0, id: `link-${name}` });
    const tell = () => write(output, told(Number(input.value)));
    input.addEventListener("input", () => {
      tell();
      this.#preset.value = "custom";
      this.#tell();
    });
    input.addEventListener("change", giveBack);
    this.#sliders[name] = { input, tell };
    const words = make("span", { textContent: label });
    // An output is a control, too: the label must say which one it means.
    return make("label", { className: "slider", htmlFor: input.id }, [words, output, input]);
  }

  /** Put the sliders where the preset has them. */
  #showPreset(name) {
    const profile = PRESETS[name];
    const { latency, jitter, stalls, rate } = this.#sliders;
    if (name !== "custom") {
      latency.input.value = (profile?.delayS ?? 0) * 2000;
      jitter.input.value = (profile?.jitterS ?? 0) * 1000;
      stalls.input.value = (profile?.loss ?? 0) * 100;
      const kbit = ((profile?.bytesPerS ?? 0) * 8) / 1000;
      const at = RATES_KBIT.findIndex((each) => each !== null && each >= kbit);
      rate.input.value = kbit === 0 || at < 0 ? RATES_KBIT.length - 1 : at;
    }
    for (const { tell } of Object.values(this.#sliders)) tell();
  }

  #tell() {
    const { latency, jitter, stalls, rate } = this.#sliders;
    this.#onLink(
      this.#preset.value === "off"
        ? OFF
        : {
            preset: this.#preset.value,
            latencyMs: Number(latency.input.value),
            jitterMs: Number(jitter.input.value),
            stallPercent: Number(stalls.input.value),
            kbitPerS: RATES_KBIT[Number(rate.input.value)],
          },
    );
  }

  #makeDelay() {
    const output = make("output", { textContent: "auto" });
    const input = make("input", {
      type: "range", min: DELAY_AUTO, max: 500, step: 10, value: DELAY_AUTO, id: "delay",
    });
    input.addEventListener("input", () => {
      const value = Number(input.value);
      this.#onDelay(value <= DELAY_AUTO ? null : value);
    });
    input.addEventListener("change", giveBack);
    this.#delay = { input, output };
    const words = make("span", { textContent: "leftmost: follows the link" });
    return make("label", { className: "slider", htmlFor: input.id }, [words, output, input]);
  }
}

function section(title, children) {
  return make("section", {}, [make("h2", { textContent: title }), ...children]);
}

function nameOfRate(kbit) {
  if (kbit === null) return "unlimited";
  return kbit >= 1000 ? `${kbit / 1000} Mbit/s` : `${kbit} kbit/s`;
}

/** Keys steer again. */
function giveBack() {
  document.getElementById("sea")?.focus();
}
