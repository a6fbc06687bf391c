/**
 * What the player has switched: how the world is shown, and what is laid over it.
 *
 * Must not know: the page, clients.
 */

import { Mode } from "../shoal/client.js";

const MODES = { mode1: Mode.RAW, mode2: Mode.INTERPOLATED, mode3: Mode.PREDICTED, mode4: Mode.EXTRAPOLATED };
const LAYERS = ["borders", "cells", "ghosts", "truth", "rewinds", "handoffs"];
const SWITCHES = ["split", "graphs", "panel", "help"];

/** The state of every switch; commands are the names that keys and buttons give. */
export class Settings {
  constructor() {
    /** One of Mode. */
    this.mode = Mode.EXTRAPOLATED;
    this.split = false;
    this.graphs = true;
    this.panel = true;
    this.help = false;
    /** By name: borders, cells, ghosts, truth, rewinds, handoffs. */
    this.layers = { borders: true, cells: false, ghosts: false, truth: false, rewinds: false, handoffs: true };
  }

  /** Do a command; false if it is none of these. @param {string} name */
  command(name) {
    if (Object.hasOwn(MODES, name)) this.mode = MODES[name];
    else if (LAYERS.includes(name)) this.layers[name] = !this.layers[name];
    else if (SWITCHES.includes(name)) this[name] = !this[name];
    else return false;
    return true;
  }
}
