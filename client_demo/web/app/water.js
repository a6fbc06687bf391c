/**
 * The water: dark, lit by whoever carries light, and never quite still.
 *
 * It is painted at a quarter of the resolution, on a canvas of its own under the other one, since
 * nothing in it is sharp.
 *
 * Must not know: what creatures look like.
 */

import { blank, glow, stamp } from "./sprites.js";

/** Pixels of the page to one of the water's. */
export const COARSE = 4;
const TILE_PX = 192;
const DEEP = "#030d18";
const LIT = [[0, 0.8], [0.1, 0.68], [0.25, 0.46], [0.5, 0.22], [0.78, 0.07], [1, 0]];
const BRIGHTEST = 16; // so many strangers' lanterns light the water; the rest only themselves
const MOTES = 64;
const MOTES_PX = 620; // after which they repeat
/** Waters of different shards, just different enough to see where one ends. */
export const SHARD_INKS = [
  [70, 140, 255], [60, 220, 170], [190, 110, 255], [255, 170, 80], [255, 100, 130], [150, 220, 80],
];

/** The colour of a shard, for lines and fills. @param {number} shard @param {number} strength */
export function shardInk(shard, strength) {
  const [red, green, blue] = SHARD_INKS[shard % SHARD_INKS.length];
  return `rgba(${red}, ${green}, ${blue}, ${strength})`;
}

/** The sea under everything. */
export class Water {
  #ripples;
  #blue = glow([64, 136, 176], LIT);
  #warm = glow([255, 196, 112], [[0, 0.42], [0.12, 0.26], [0.3, 0.1], [0.6, 0.03], [1, 0]]);
  #red = glow([190, 16, 46], LIT);
  #orange = glow([255, 116, 40], LIT);
  #motes = scattered(MOTES);

  constructor() {
    const [, context] = blank(1, 1);
    this.#ripples = context.createPattern(caustics(), "repeat");
  }

  /**
   * Fill the coarse canvas, whose size is that of the camera's picture over COARSE.
   *
   * @param {CanvasRenderingContext2D} coarse
   * @param {import("./camera.js").Camera} camera
   * @param {import("./painter.js").World} world
   * @param {boolean} tinted by the shards' colours
   * @param {number} now in seconds
   */
  paint(coarse, camera, world, tinted, now) {
    const { width, height } = coarse.canvas;
    const at = (x, y) => [camera.pixelX(x) / COARSE, camera.pixelY(y) / COARSE];
    const scale = camera.scale / COARSE;
    coarse.globalCompositeOperation = "source-over";
    coarse.fillStyle = "#000";
    coarse.fillRect(0, 0, width, height);
    coarse.globalCompositeOperation = "lighter";
    this.#light(coarse, world, at, scale, now);
    coarse.globalCompositeOperation = "multiply";
    this.#ripple(coarse, camera, now, 1, width, height);
    this.#ripple(coarse, camera, now + 90, -1, width, height);
    coarse.globalCompositeOperation = "lighter";
    coarse.fillStyle = DEEP;
    coarse.fillRect(0, 0, width, height);
    if (tinted) this.#tint(coarse, world, at);
    this.#shore(coarse, world, at, width, height);
  }

  /**
   * Motes that float nearer and further than everybody else, on the fine canvas.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {import("./camera.js").Camera} camera
   * @param {import("./painter.js").World} world
   * @param {number} now in seconds
   */
  paintMotes(context, camera, { me, sight }, now) {
    context.fillStyle = "#bfe0ee";
    const reach = me === null ? Infinity : sight * camera.scale;
    const [meX, meY] = me === null ? [0, 0] : camera.pixel(me.x, me.y);
    for (const [x, y, depth] of this.#motes) {
      const near = 0.7 + depth;
      const span = MOTES_PX * near;
      const sway = 0.01 * Math.sin(now * 0.2 + y * 40);
      const pixelX = wrap((x + sway) * span - camera.x * camera.scale * near, span);
      const pixelY = wrap(y * span - (camera.y * camera.scale + now * (2 + 6 * depth)) * near, span);
      for (let left = pixelX - span; left < camera.width; left += span) {
        for (let top = pixelY - span; top < camera.height; top += span) {
          if (left < 0 || top < 0) continue;
          const away = me === null ? 0.5 : Math.hypot(left - meX, top - meY) / reach;
          const strength = (0.05 + 0.4 * Math.max(1 - away, 0)) * (0.4 + 0.6 * depth);
          if (strength < 0.03) continue;
          context.globalAlpha = strength;
          const size = 1 + depth * 1.6;
          context.fillRect(left, top, size, size);
        }
      }
    }
    context.globalAlpha = 1;
  }

  #light(coarse, { me, bodies, sight }, at, scale, now) {
    if (me === null) {
      stamp(coarse, this.#blue, coarse.canvas.width / 2, coarse.canvas.height / 2, coarse.canvas.width * 0.6);
    }
    let strangers = 0;
    for (const body of bodies) {
      const flicker = 1 + 0.03 * Math.sin(now * 9 + Number(body.id) * 1.7) + 0.02 * Math.sin(now * 23);
      const [x, y] = at(body.x, body.y);
      if (body.own) {
        stamp(coarse, this.#blue, x, y, sight * 1.12 * scale);
        stamp(coarse, this.#warm, x, y, sight * 0.8 * scale * flicker);
      } else if (body.kind === "Diver" && strangers < BRIGHTEST) {
        strangers += 1;
        const reach = 60 + 3 * Math.sqrt(body.fields.light ?? 0);
        stamp(coarse, this.#warm, x, y, reach * scale * flicker);
      } else if (body.kind === "Flare") {
        stamp(coarse, this.#orange, x, y, 120 * scale * flicker);
      } else if (body.kind === "Leviathan") {
        stamp(coarse, this.#red, x, y, (130 + 10 * Math.sin(now * 2)) * scale);
      }
    }
  }

  /** Light wanders over what is lit. */
  #ripple(coarse, camera, now, way, width, height) {
    const scale = (camera.scale / COARSE) * 1.5;
    const x = -camera.x * (camera.scale / COARSE) + width / 2 + way * now * 3.1;
    const y = -camera.y * (camera.scale / COARSE) + height / 2 + way * now * 1.7;
    this.#ripples.setTransform(new DOMMatrix([scale, 0, 0, scale, x, y]));
    coarse.fillStyle = this.#ripples;
    coarse.fillRect(0, 0, width, height);
  }

  #tint(coarse, { leaves, cell }, at) {
    for (const { shard, x0, y0, x1, y1 } of leaves) {
      const [left, top] = at(x0 * cell, y0 * cell);
      const [right, bottom] = at(x1 * cell, y1 * cell);
      coarse.fillStyle = shardInk(shard, 0.045);
      coarse.fillRect(left, top, right - left, bottom - top);
    }
  }

  /** Beyond the world's edge is rock. */
  #shore(coarse, world, at, width, height) {
    const [left, top] = at(0, 0);
    const [right, bottom] = at(world.width, world.height);
    coarse.globalCompositeOperation = "source-over";
    coarse.fillStyle = "#010407";
    if (top > 0) coarse.fillRect(0, 0, width, top);
    if (bottom < height) coarse.fillRect(0, bottom, width, height - bottom);
    if (left > 0) coarse.fillRect(0, 0, left, height);
    if (right < width) coarse.fillRect(right, 0, width - right, height);
  }

}

function wrap(value, span) {
  return value - Math.floor(value / span) * span;
}

/** Places and depths in 0 to 1, evenly scattered, the same every time. */
function scattered(count) {
  const places = [];
  for (let at = 1; at <= count; at += 1) {
    places.push([(at * 0.754877666) % 1, (at * 0.569840291) % 1, (at * 0.618033989) % 1]);
  }
  return places;
}

/** A tile of light as it lies on the ground of a pool, from shade to white. */
function caustics() {
  const [canvas, context] = blank(TILE_PX, TILE_PX);
  const image = context.createImageData(TILE_PX, TILE_PX);
  const full = (2 * Math.PI) / TILE_PX;
  for (let y = 0; y < TILE_PX; y += 1) {
    for (let x = 0; x < TILE_PX; x += 1) {
      // Waves whose lengths divide the tile, each bent by another.
      const one = Math.sin(full * (2 * x + y) + 1.6 * Math.sin(full * (3 * y - x)));
      const two = Math.sin(full * (3 * y - 2 * x) + 1.9 * Math.sin(full * (2 * x + 2 * y) + 1));
      const three = Math.sin(full * (x - 4 * y) + 1.3 * Math.sin(full * (4 * x + y) + 2));
      const ridge = 1 - Math.abs(one + two + 0.6 * three) / 2.6;
      const shade = 168 + 87 * Math.max(ridge, 0) ** 4;
      const pixel = 4 * (y * TILE_PX + x);
      image.data[pixel] = shade * 0.93;
      image.data[pixel + 1] = shade * 0.98;
      image.data[pixel + 2] = shade;
      image.data[pixel + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
