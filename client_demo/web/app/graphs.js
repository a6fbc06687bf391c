/**
 * Small graphs of the last seconds: what the link brings, and how well it is hidden.
 *
 * Must not know: clients; samples come from `meter.js`.
 */

import { make, write } from "./dom.js";

const SPAN_S = 20;
const WIDTH = 236;
const HEIGHT = 44;
const SAMPLES = SPAN_S * 10 + 2;
const INK = { blue: "#6fb7ff", gold: "#ffd66b", rose: "#ff7d95", mint: "#7fe0b0" };

/** Each: a name, a unit, lines over a sample with their names, digits, and the least full scale. */
const FORMS = [
  {
    name: "received", unit: "kB/s", least: 2, digits: 1, stacked: true,
    lines: [
      ["snapshots", INK.blue, ({ bytes }) => bytes.snapshots / 1000],
      ["events", INK.gold, ({ bytes }) => bytes.events / 1000],
      ["other", INK.mint, ({ bytes }) => bytes.other / 1000],
    ],
  },
  {
    name: "round trip", unit: "ms", least: 50, digits: 0,
    lines: [["", INK.mint, ({ roundTripMs }) => roundTripMs]],
  },
  {
    name: "buffer", unit: "ms", least: 100, digits: 0,
    lines: [
      ["depth", INK.blue, ({ bufferMs }) => bufferMs],
      ["delay", INK.gold, ({ delayMs }) => delayMs],
    ],
  },
  {
    name: "server tick", unit: "ms", least: 80, digits: 1,
    lines: [["", INK.blue, ({ tickIntervalMs }) => tickIntervalMs]],
  },
  {
    name: "prediction error", unit: "units", least: 2, digits: 2,
    lines: [["", INK.rose, ({ error }) => error]],
  },
];

/** The graphs, one under the other. */
export class Graphs {
  /** @type {import("./meter.js").Sample[]} */
  #samples = [];
  #graphs;

  /** @param {HTMLElement} root that they fill */
  constructor(root) {
    const ratio = Math.min(globalThis.devicePixelRatio || 1, 2);
    this.#graphs = FORMS.map((form) => {
      const value = make("output");
      const canvas = make("canvas", { width: WIDTH * ratio, height: HEIGHT * ratio });
      const keys = form.lines.filter(([name]) => name !== "").map(([name, ink]) => {
        const key = make("i", { textContent: name });
        key.style.color = ink;
        return key;
      });
      const caption = make("figcaption", {}, [form.name, ...keys, value]);
      root.append(make("figure", {}, [caption, canvas]));
      const context = canvas.getContext("2d");
      context.scale(ratio, ratio);
      return { form, context, value };
    });
  }

  /** Take a sample. @param {import("./meter.js").Sample} sample */
  add(sample) {
    this.#samples.push(sample);
    if (this.#samples.length > SAMPLES) this.#samples.shift();
  }

  /** Draw what is known. */
  draw() {
    const newest = this.#samples.at(-1);
    if (newest === undefined) return;
    for (const { form, context, value } of this.#graphs) {
      const values = form.lines.map(([, , of]) => of(newest));
      const shown = form.stacked ? [values.reduce((one, other) => one + other)] : values;
      const tick = form.name === "server tick" ? `#${newest.serverTick}  ` : "";
      write(value, `${tick}${shown.map((each) => each.toFixed(form.digits)).join(" / ")} ${form.unit}`);
      this.#drawOne(form, context, newest.now);
    }
  }

  #drawOne(form, context, now) {
    const columns = form.lines.map(([, , of]) => this.#samples.map(of));
    if (form.stacked) {
      for (let line = 1; line < columns.length; line += 1) {
        columns[line] = columns[line].map((value, at) => value + columns[line - 1][at]);
      }
    }
    const most = niceAbove(Math.max(form.least, ...columns.flat()));
    context.clearRect(0, 0, WIDTH, HEIGHT);
    context.strokeStyle = "rgba(160, 190, 220, 0.14)";
    context.lineWidth = 1;
    context.beginPath();
    for (const share of [0.5, 1]) {
      const y = Math.round(HEIGHT - share * (HEIGHT - 8)) + 0.5;
      context.moveTo(0, y);
      context.lineTo(WIDTH, y);
    }
    context.stroke();
    context.fillStyle = "rgba(170, 195, 220, 0.55)";
    context.font = "9px system-ui, sans-serif";
    context.fillText(`${most}`, 2, 7);
    for (let line = columns.length - 1; line >= 0; line -= 1) {
      this.#trace(context, columns[line], now, most);
      context.strokeStyle = form.lines[line][1];
      context.lineWidth = 1.4;
      context.stroke();
      if (!form.stacked && columns.length > 1) continue;
      context.lineTo(WIDTH, HEIGHT);
      context.lineTo(xOf(this.#samples[0].now, now), HEIGHT);
      context.closePath();
      context.globalAlpha = form.stacked ? 0.28 : 0.12;
      context.fillStyle = form.lines[line][1];
      context.fill();
      context.globalAlpha = 1;
    }
  }

  #trace(context, values, now, most) {
    context.beginPath();
    for (const [at, value] of values.entries()) {
      const x = xOf(this.#samples[at].now, now);
      const y = HEIGHT - 1 - (value / most) * (HEIGHT - 9);
      if (at === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    }
  }
}

function xOf(then, now) {
  return WIDTH * (1 - (now - then) / SPAN_S);
}

/** The next of 1, 2, 5, 10 and so on. */
function niceAbove(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 5, 10].find((each) => each * power >= value * 0.999);
  return step * power;
}
