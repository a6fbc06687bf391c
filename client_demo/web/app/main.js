/**
 * The page: puts the parts together, and lets time pass.
 *
 * `?name=Ann` plays at once under that name. `window.shoalDemo.stats()` gives figures to scripts.
 */

import { known } from "./actions.js";
import { Controls } from "./controls.js";
import { Crowd } from "./crowd.js";
import { Deck, REPLAY } from "./deck.js";
import { show } from "./dom.js";
import { Door } from "./door.js";
import { Game } from "./game.js";
import { Graphs } from "./graphs.js";
import { Hud } from "./hud.js";
import { Painter } from "./painter.js";
import { Panel } from "./panel.js";
import { Settings } from "./settings.js";
import { Stage } from "./stage.js";
import { Touch } from "./touch.js";

const PANEL_EVERY_S = 0.25;
const LOOK_EVERY_S = 2;
const MORE_BOTS = 100;
const BOTS = "demo/bots";
const NARROW_PX = 900;

const element = (id) => document.getElementById(id);
const settings = new Settings();
settings.panel = settings.graphs = innerWidth > NARROW_PX; // there it covers everything
const painter = new Painter();
const stages = {
  main: new Stage(element("sea"), painter),
  raw: new Stage(element("raw").querySelector("canvas"), painter),
};
const controls = new Controls(element("sea"), { onCommand: command });
const touch = new Touch(element("touch"), controls, { onCommand: command });
const hud = new Hud(element("hud"));
const graphs = new Graphs(element("graphs"));
const crowd = new Crowd();
const panel = new Panel(element("panel"), {
  onCommand: command,
  onLink: (link) => game?.simulate(link),
  onDelay: (ms) => game?.delay(ms),
});
/** @type {Game | null} */
let game = null;
/** Of a recording that is played. @type {Deck | null} */
let deck = null;
let hasBots = false;
let panelDue = 0;
let lookDue = 0;

function command(name) {
  if (name === "drop") game?.socket.drop();
  else if (name === "bots") crowd.grow(MORE_BOTS);
  else if (name === "fullscreen") toggleFullscreen();
  else settings.command(name);
  panelDue = 0;
}

function toggleFullscreen() {
  if (document.fullscreenElement === null) document.documentElement.requestFullscreen();
  else document.exitFullscreen();
}

/** Play under a name, or look on without one. @param {string | null} name */
function play(name) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  element("hud").hidden = false;
  game = new Game(`${scheme}://${location.host}/`, name, controls, stages, settings);
  element("sea").focus();
}

function frame(startedMs) {
  requestAnimationFrame(frame);
  const beganMs = performance.now();
  const now = beganMs / 1000;
  document.body.classList.toggle("split", settings.split && game !== null);
  document.body.classList.toggle("paneled", settings.panel);
  document.body.classList.toggle("graphed", settings.graphs);
  document.body.classList.toggle("playing", game !== null);
  if (game === null) {
    stages.main.paintEmpty(now);
    return;
  }
  deck?.update(now);
  const sample = game.frame(now);
  hud.show(game.hud(now));
  touch.draw();
  if (sample !== null) graphs.add(sample);
  if (sample !== null && settings.graphs) graphs.draw();
  if (now >= panelDue) showPanel(now);
  game.frames.add(startedMs, startedMs + performance.now() - beganMs);
}

function showPanel(now) {
  panelDue = now + PANEL_EVERY_S;
  const connected = game.notice(now) === "";
  if (connected && hasBots && now >= lookDue) {
    lookDue = now + LOOK_EVERY_S;
    crowd.look();
  }
  const { mode, split, layers } = settings;
  show(element("panel"), settings.panel);
  show(element("graphs"), settings.graphs);
  panel.show({
    mode,
    split,
    layers,
    graphs: settings.graphs,
    bots: crowd.bots,
    refusal: crowd.refusal,
    connected,
    delayMs: game.delayMs,
    delayNowMs: (game.client.timeline?.delayS ?? 0) * 1000,
  });
}

addEventListener("pagehide", ({ persisted }) => {
  if (!persisted) game?.socket.leave();
});
document.addEventListener("visibilitychange", () => game?.frames.clear());
globalThis.shoalDemo = { stats: () => game?.stats() ?? null };

/** Who comes to a recording looks on; elsewhere one plays. */
async function begin() {
  const actions = await known();
  hasBots = actions.includes(BOTS);
  const given = new URLSearchParams(location.search).get("name");
  if (actions.includes(REPLAY)) {
    deck = new Deck(element("deck"));
    show(element("deck"), true);
    document.body.classList.add("observing");
    settings.graphs = settings.panel = false;
    play(null);
  } else if (given !== null) {
    play(given);
  } else {
    const door = new Door(element("door"), {
      onName: (name) => {
        door.close();
        play(name);
      },
    });
  }
}

begin();
requestAnimationFrame(frame);
