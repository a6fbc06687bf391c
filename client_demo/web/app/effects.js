/**
 * Traces of events: shots, light won and lost, lanterns that go out, fish that were eaten.
 *
 * All of them are light, added to what is there, and fade. Must not know: clients.
 */

import { stamp } from "./sprites.js";

const BEADS = 12; // glows along a shot
const FLAKES = 7;

/**
 * Paint them.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {import("./camera.js").Camera} camera
 * @param {import("./scene.js").Effect[]} effects
 * @param {import("./sprites.js").Sprites} sprites
 */
export function paintEffects(context, camera, effects, sprites) {
  context.globalCompositeOperation = "lighter";
  for (const effect of effects) {
    const from = camera.pixel(effect.x, effect.y);
    const to = camera.pixel(effect.toX, effect.toY);
    const paint = PAINTERS[effect.name] ?? burst;
    paint(context, { ...effect, from, to, left: 1 - effect.age, scale: camera.scale, sprites });
  }
  context.globalAlpha = 1;
  context.globalCompositeOperation = "source-over";
}

const PAINTERS = {
  Aimed: (context, { from, to, left }) => {
    line(context, from, to, `rgba(150, 205, 225, ${0.4 * left})`, 1);
  },
  Harpooned: (context, { from, to, left, age, hit, scale, sprites }) => {
    context.globalAlpha = 0.5 * left;
    for (let bead = 0; bead < BEADS; bead += 1) {
      const share = bead / (BEADS - 1);
      const x = from[0] + (to[0] - from[0]) * share;
      stamp(context, sprites.cold, x, from[1] + (to[1] - from[1]) * share, (5 + 5 * share) * scale);
    }
    context.globalAlpha = 1;
    line(context, from, to, `rgba(200, 235, 250, ${left})`, Math.max(1.1 * scale, 1.2));
    if (!hit) return;
    context.globalAlpha = left;
    stamp(context, sprites.blood, to[0], to[1], 34 * scale * left);
    ring(context, to, (5 + 24 * age) * scale, `rgba(255, 110, 130, ${left})`, 2.5);
  },
  Robbed: (context, { from, left, age, gain, scale, sprites }) => {
    if (gain === 0) return;
    context.globalCompositeOperation = "source-over";
    const text = `${gain > 0 ? "+" : "-"}${Math.abs(gain).toFixed(0)} light`;
    const picture = sprites.label(text, gain > 0 ? "#ffd66b" : "#ff6d86");
    context.globalAlpha = Math.min(left * 2, 1);
    const y = from[1] - (16 + 24 * age) * scale;
    context.drawImage(picture, from[0] - picture.width * 0.35, y, picture.width * 0.7, 24);
    context.globalAlpha = 1;
    context.globalCompositeOperation = "lighter";
  },
  Snuffed: (context, { from, left, age, scale, sprites }) => {
    context.globalAlpha = left;
    stamp(context, sprites.lantern, from[0], from[1], 60 * left * scale);
    ring(context, from, 90 * age ** 0.6 * scale, `rgba(170, 195, 215, ${0.8 * left})`, 3);
    ring(context, from, 60 * age ** 0.6 * scale, `rgba(170, 195, 215, ${0.4 * left})`, 1.5);
    for (let puff = 0; puff < 5; puff += 1) {
      context.globalAlpha = 0.25 * left;
      const x = from[0] + Math.sin(puff * 2.4) * 18 * age * scale;
      stamp(context, sprites.cold, x, from[1] - (8 + 40 * age * (0.5 + puff / 8)) * scale, (9 + 12 * age) * scale);
    }
  },
};

/** Whatever else happened: a little golden burst. */
function burst(context, { from, left, age, scale, sprites }) {
  context.globalAlpha = left;
  stamp(context, sprites.lantern, from[0], from[1], 20 * left * scale);
  for (let flake = 0; flake < FLAKES; flake += 1) {
    const angle = (flake / FLAKES) * 2 * Math.PI + 0.5;
    const far = (3 + 15 * age ** 0.6) * scale;
    stamp(context, sprites.spark, from[0] + Math.cos(angle) * far, from[1] + Math.sin(angle) * far, 2.6 * left * scale);
  }
}

function line(context, [x, y], [toX, toY], colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(toX, toY);
  context.stroke();
}

function ring(context, [x, y], radius, colour, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.beginPath();
  context.arc(x, y, radius, 0, 7);
  context.stroke();
}
