/**
 * One view of the world: a scene, the camera that follows the own avatar, and the canvases.
 *
 * Must not know: sockets, controls.
 */

import { Camera } from "./camera.js";
import { Scene } from "./scene.js";
import { COARSE } from "./water.js";

const RATIO_MAX = 2; // pixels of the canvas to one of the page; more is not seen
const NOWHERE = { width: 2048, height: 1024, cell: 64 };

/** Shows one client in one way. */
export class Stage {
  #canvas;
  #context;
  #coarse;
  #painter;
  #drawnAt = null;

  /**
   * @param {HTMLCanvasElement} canvas under which there is room for the water's
   * @param {import("./painter.js").Painter} painter
   */
  constructor(canvas, painter) {
    const water = document.createElement("canvas");
    canvas.before(water);
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    this.#coarse = water.getContext("2d", { alpha: false });
    this.#painter = painter;
    this.camera = new Camera();
    /** @type {Scene | null} */
    this.scene = null;
  }

  /** Go on to `now`, in one of the modes. */
  update(client, mode, now, events) {
    if (this.scene?.client !== client) this.scene = new Scene(client);
    this.scene.mode = mode;
    this.scene.update(now, events);
    const { me, sight } = this.scene;
    const elapsed = this.#elapsed(now);
    const { jump, size: [width, height] } = client.schema;
    if (client.welcome.observer) this.camera.showAll(width, height);
    if (me === null) return;
    this.camera.see(sight, elapsed);
    this.camera.follow(me.x, me.y, elapsed, { jump, width, height });
  }

  /**
   * Paint the scene at `now`.
   *
   * @param {number} now in seconds
   * @param {Record<string, boolean>} wanted the layers that are switched on
   * @param {{id: import("../shoal/ids.js").Id, x: number, y: number}[]} truth
   */
  paint(now, wanted, truth) {
    const { scene } = this;
    const { geometry } = scene.client;
    const world = {
      width: geometry.width,
      height: geometry.height,
      cell: geometry.cell,
      columns: geometry.columns,
      rows: geometry.rows,
      leaves: geometry.leaves,
      sight: scene.sight,
      me: scene.me,
      bodies: scene.bodies,
      trails: scene.trails,
      effects: scene.effects(now),
    };
    const layers = {
      borders: wanted.borders,
      cells: wanted.cells,
      interest: wanted.cells ? scene.interest() : null,
      ghosts: wanted.ghosts ? scene.ghosts() : null,
      truth: wanted.truth ? truth : null,
      rewinds: wanted.rewinds ? scene.rewinds(now) : null,
      handoffs: wanted.handoffs ? scene.handoffs(now) : null,
    };
    this.#paint(world, layers, now);
  }

  /** Paint the sea without anybody in it, before there is a world. */
  paintEmpty(now) {
    const { width, height, cell } = NOWHERE;
    this.camera.see(260, this.#elapsed(now));
    const x = width / 2 + 300 * Math.sin(now / 40);
    this.camera.follow(x, height / 2, 1, { jump: width, width, height });
    const world = {
      width, height, cell, columns: width / cell, rows: height / cell,
      leaves: [], sight: 260, me: null, bodies: [], trails: new Map(), effects: [],
    };
    this.#paint(world, {}, now);
  }

  #paint(world, layers, now) {
    this.#fit();
    this.#painter.paint(this.#coarse, this.#context, this.camera, world, layers, now);
  }

  /** The canvases have as many pixels as they should. */
  #fit() {
    const canvas = this.#canvas;
    const ratio = Math.min(globalThis.devicePixelRatio || 1, RATIO_MAX);
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const [across, down] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== across || canvas.height !== down) {
      canvas.width = across;
      canvas.height = down;
    }
    const water = this.#coarse.canvas;
    const [waterAcross, waterDown] = [Math.ceil(width / COARSE), Math.ceil(height / COARSE)];
    if (water.width !== waterAcross || water.height !== waterDown) {
      water.width = waterAcross;
      water.height = waterDown;
    }
    this.#context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.camera.resize(Math.max(width, 1), Math.max(height, 1));
  }

  #elapsed(now) {
    const elapsed = this.#drawnAt === null ? 0 : Math.max(now - this.#drawnAt, 0);
    this.#drawnAt = now;
    return elapsed;
  }
}
