/**
 * The whole picture, from the water up.
 *
 * Must not know: clients, sockets, the page around the canvas.
 */

import { Creatures } from "./creatures.js";
import { paintEffects } from "./effects.js";
import { paintOverlays } from "./overlays.js";
import { Sprites } from "./sprites.js";
import { Water } from "./water.js";

/**
 * What is painted. Places are in units; `leaves` are the shards' rectangles in cells.
 *
 * @typedef {object} World
 * @property {number} width
 * @property {number} height
 * @property {number} cell its side
 * @property {number} columns of cells
 * @property {number} rows
 * @property {readonly import("../shoal/geometry.js").Leaf[]} leaves
 * @property {number} sight of the player
 * @property {import("./scene.js").Body | null} me
 * @property {import("./scene.js").Body[]} bodies
 * @property {Map<import("../shoal/ids.js").Id, import("./scene.js").Trail>} trails
 * @property {import("./scene.js").Effect[]} effects
 */

/** Paints worlds; may serve several canvases. */
export class Painter {
  #sprites = new Sprites();
  #water = new Water();
  #creatures = new Creatures(this.#sprites);

  /**
   * Paint both canvases: `coarse` with the water, and `context` over it with everybody, in pixels of
   * the page: it has the device's ratio as transform.
   *
   * @param {CanvasRenderingContext2D} coarse
   * @param {CanvasRenderingContext2D} context
   * @param {import("./camera.js").Camera} camera
   * @param {World} world
   * @param {import("./overlays.js").Layers} layers
   * @param {number} now in seconds
   */
  paint(coarse, context, camera, world, layers, now) {
    this.#water.paint(coarse, camera, world, layers.borders ?? false, now);
    context.clearRect(0, 0, camera.width, camera.height);
    this.#water.paintMotes(context, camera, world, now);
    this.#creatures.paint(context, camera, world, now);
    paintEffects(context, camera, world.effects, this.#sprites);
    paintOverlays(context, camera, world, layers);
  }
}
