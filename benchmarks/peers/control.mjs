// A peer's side of the conversation with the benchmark: options from the command line, commands
// from stdin, answers as JSON lines to stdout.

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

/** The numbers on the command line. Those without a default must be given. */
export function numbers(defaults) {
  const named = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: "string" }]));
  const given = parse(named);
  for (const [name, preset] of Object.entries(defaults)) {
    const value = given[name] === undefined ? preset : Number(given[name]);
    if (!Number.isFinite(value)) fail(`--${name} wants a number`);
    given[name] = value;
  }
  return given;
}

function parse(options) {
  try {
    return { ...parseArgs({ options }).values };
  } catch (error) {
    return fail(error.message);
  }
}

export function fail(message) {
  console.error(message);
  process.exit(1);
}

export function say(answer) {
  process.stdout.write(JSON.stringify(answer) + "\n");
}

/** Say that the server listens, and obey: `state` tells what it is like at the end of a window. */
export function serve(port, version, window, state) {
  const commands = {
    start: () => window.start(),
    stop: () => say({ ...window.stop(), ...state() }),
  };
  createInterface({ input: process.stdin })
    .on("line", (line) => (commands[line.trim()] ?? (() => fail(`unknown command: ${line}`)))())
    .on("close", () => process.exit(0));
  process.on("SIGTERM", () => process.exit(0));
  say({ ready: true, port, version, node: process.version });
}

/** What happens while somebody measures: when ticks began, what they cost, what came in. */
export class Window {
  #open = false;
  #began = [];
  #simMs = 0;
  #sendMs = 0;
  #inputs = 0;

  start() {
    this.#open = true;
    this.#began = [];
    this.#simMs = this.#sendMs = this.#inputs = 0;
  }

  /** A tick ran from `began`, when its sends began at `stepped`, until now. */
  ticked(began, stepped) {
    if (!this.#open) return;
    this.#began.push(began);
    this.#simMs += stepped - began;
    this.#sendMs += performance.now() - stepped;
  }

  received() {
    if (this.#open) this.#inputs += 1;
  }

  stop() {
    this.#open = false;
    const ticks = this.#began.length;
    return {
      ticks,
      ...intervals(this.#began),
      inputs: this.#inputs,
      sim_ms: rounded(this.#simMs / Math.max(1, ticks)),
      send_ms: rounded(this.#sendMs / Math.max(1, ticks)),
    };
  }
}

function intervals(times) {
  const gaps = times.slice(1).map((time, index) => time - times[index]);
  gaps.sort((a, b) => a - b);
  const total = gaps.reduce((sum, gap) => sum + gap, 0);
  return {
    hz: total === 0 ? 0 : rounded((gaps.length * 1000) / total),
    tick_interval_ms_p50: rounded(percentile(gaps, 0.5)),
    tick_interval_ms_p99: rounded(percentile(gaps, 0.99)),
    tick_interval_ms_max: rounded(percentile(gaps, 1)),
  };
}

/** Between the two nearest of `sorted`, as numpy has it; 0 of nothing. */
function percentile(sorted, share) {
  if (sorted.length === 0) return 0;
  const at = share * (sorted.length - 1);
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  return below + (above - below) * (at - Math.floor(at));
}

export function rounded(number) {
  return Math.round(number * 1000) / 1000;
}
