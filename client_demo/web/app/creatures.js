/**
 * Everybody who swims: fish, divers with their lanterns, flares, leviathans.
 *
 * Must not know: clients, what lies over them.
 */

import { stamp, SWINGS } from "./sprites.js";

const FISH_UNITS = 15; // from nose to tail
const DIVER_UNITS = 25;
const GOLDEN = 5;
const SEGMENTS = 15;
const SEGMENT_UNITS = 9; // between two of a leviathan's segments
const STILL = 2; // units per second; who is slower keeps the way it looked
const UNSEEN = 40; // units beyond the picture within which something may reach into it
const LABEL_HIGH = 17;

/** Paints bodies with sprites, batch by batch. */
export class Creatures {
  #sprites;
  #ways = new Map(); // the angle at which a body was last seen to swim

  /** @param {import("./sprites.js").Sprites} sprites */
  constructor(sprites) {
    this.#sprites = sprites;
  }

  /**
   * Paint everybody.
   *
   * @param {CanvasRenderingContext2D} context
   * @param {import("./camera.js").Camera} camera
   * @param {object} world see `painter.js`
   * @param {number} now in seconds
   */
  paint(context, camera, world, now) {
    const visible = world.bodies.filter(({ x, y }) => camera.shows(x, y, UNSEEN));
    const base = context.getTransform();
    const of = (kind) => visible.filter((body) => body.kind === kind);
    const levels = world.bodies.filter(({ kind }) => kind === "Leviathan");
    for (const body of levels) this.#leviathan(context, camera, world, body, now);
    this.#trails(context, camera, world);
    this.#fish(context, base, camera, world, of("Fish"), now);
    this.#lights(context, camera, visible, now);
    this.#divers(context, base, camera, of("Diver"));
    this.#others(context, camera, visible);
    this.#labels(context, camera, of("Diver"));
    if (this.#ways.size > 4 * world.bodies.length + 100) this.#ways.clear();
  }

  #fish(context, base, camera, { me, sight }, fish, now) {
    const size = (FISH_UNITS * camera.scale) / 56;
    for (const body of fish) {
      const { id, x, y, vx, vy, fields, held } = body;
      const species = this.#sprites.fish[fields.species] ?? this.#sprites.fish[0];
      const speed = Math.hypot(vx, vy);
      const beat = now * (5 + speed / 9) + Number(id) * 0.7;
      const picture = species[Math.floor(beat) % SWINGS];
      const away = me === null ? 0 : Math.hypot(x - me.x, y - me.y) / sight;
      context.globalAlpha = (held ? 0.5 : 1) * Math.min(Math.max(1.25 - away * 0.95, 0.22), 1);
      turned(context, base, camera, body, this.#way(body), fields.species === GOLDEN ? size * 1.25 : size);
      context.drawImage(picture, -28, -14);
    }
    context.setTransform(base);
    context.globalAlpha = 1;
  }

  /** Everything that shines by itself. */
  #lights(context, camera, visible, now) {
    const { scale } = camera;
    context.globalCompositeOperation = "lighter";
    for (const { id, kind, x, y, fields, own } of visible) {
      const px = camera.pixelX(x);
      const py = camera.pixelY(y);
      if (kind === "Diver") {
        const flicker = 1 + 0.05 * Math.sin(now * 11 + Number(id) * 2.3);
        const reach = 22 + 1.6 * Math.sqrt(fields.light ?? 0);
        context.globalAlpha = own ? 0.62 : 0.45;
        stamp(context, this.#sprites.lantern, px, py, reach * scale * flicker);
      } else if (kind === "Flare") {
        const burst = 1 + 0.15 * Math.sin(now * 31 + Number(id)) + 0.1 * Math.sin(now * 53);
        context.globalAlpha = 1;
        stamp(context, this.#sprites.ember, px, py, 34 * scale * burst);
        stamp(context, this.#sprites.spark, px, py, 7 * scale * burst);
        for (let spark = 0; spark < 6; spark += 1) {
          const age = (now * 1.3 + spark / 6 + Number(id) * 0.37) % 1;
          const angle = spark * 2.4 + Math.floor(now * 1.3 + spark / 6) * 1.9;
          context.globalAlpha = 1 - age;
          const far = (4 + 20 * age) * scale;
          stamp(context, this.#sprites.ember, px + Math.cos(angle) * far, py + Math.sin(angle) * far - age * 9 * scale, 3 * scale);
        }
      } else if (kind === "Fish" && fields.species === GOLDEN) {
        context.globalAlpha = 0.55 + 0.35 * Math.sin(now * 6 + Number(id));
        stamp(context, this.#sprites.lantern, px, py, 12 * scale);
        context.globalAlpha = Math.max(Math.sin(now * 3.1 + Number(id)), 0) ** 6;
        stamp(context, this.#sprites.spark, px + 3 * scale, py - 2 * scale, 3.5 * scale);
      }
    }
    context.globalAlpha = 1;
    context.globalCompositeOperation = "source-over";
  }

  #divers(context, base, camera, divers) {
    const size = (DIVER_UNITS * camera.scale) / 64;
    for (const body of divers) {
      context.globalAlpha = body.held ? 0.5 : 1;
      const way = this.#way(body);
      turned(context, base, camera, body, way, size, Math.cos(way) < 0);
      context.drawImage(body.own ? this.#sprites.me : this.#sprites.diver, -32, -20);
    }
    context.setTransform(base);
    context.globalAlpha = 1;
  }

  #labels(context, camera, divers) {
    for (const { x, y, fields, own, held } of divers) {
      if (!fields.name) continue;
      const picture = this.#sprites.label(fields.name, own ? "#ffd66b" : "#dbe7f2");
      context.globalAlpha = held ? 0.4 : 0.9;
      const width = picture.width / 2;
      const top = camera.pixelY(y) - 14 * camera.scale - LABEL_HIGH;
      context.drawImage(picture, camera.pixelX(x) - width / 2, top, width, LABEL_HIGH);
    }
    context.globalAlpha = 1;
  }

  /** Kinds of other games: dots. */
  #others(context, camera, visible) {
    context.fillStyle = "#b9c7d4";
    for (const { kind, x, y } of visible) {
      if (["Fish", "Diver", "Flare", "Leviathan"].includes(kind)) continue;
      context.beginPath();
      context.arc(camera.pixelX(x), camera.pixelY(y), 3 * camera.scale, 0, 7);
      context.fill();
    }
  }

  /** Where divers came from: a wake that fades. */
  #trails(context, camera, { trails, bodies }) {
    context.lineCap = "butt"; // round ends would shine twice where runs meet
    context.lineJoin = "round";
    context.globalCompositeOperation = "lighter";
    for (const { id, kind, own } of bodies) {
      const trail = trails.get(id);
      if (kind !== "Diver" || trail === undefined || trail.length < 2) continue;
      const newest = trail.at(-1).at;
      const runs = 8;
      const length = Math.ceil((trail.length - 1) / runs);
      for (let run = 0; run < runs; run += 1) {
        const first = run * length;
        const last = Math.min(first + length, trail.length - 1);
        if (first >= last) break;
        const age = (newest - trail[last].at) / 4;
        const strength = (1 - age) ** 2 * (own ? 0.24 : 0.15);
        context.strokeStyle = `rgba(255, 200, 120, ${strength.toFixed(3)})`;
        context.lineWidth = (1 + 3 * (1 - age)) * camera.scale * 0.4;
        context.beginPath();
        context.moveTo(camera.pixelX(trail[first].x), camera.pixelY(trail[first].y));
        for (let at = first + 1; at <= last; at += 1) {
          context.lineTo(camera.pixelX(trail[at].x), camera.pixelY(trail[at].y));
        }
        context.stroke();
      }
    }
    context.globalCompositeOperation = "source-over";
  }

  /** A huge dark body whose segments follow its head. */
  #leviathan(context, camera, { trails }, body, now) {
    const { scale } = camera;
    const spine = this.#spine(body, trails.get(body.id) ?? [], now);
    context.globalCompositeOperation = "lighter";
    context.globalAlpha = 0.8;
    stamp(context, this.#sprites.blood, camera.pixelX(body.x), camera.pixelY(body.y), 95 * scale);
    context.globalAlpha = 1;
    context.globalCompositeOperation = "source-over";
    for (let at = spine.length - 1; at >= 0; at -= 1) {
      const [x, y, angle] = spine[at];
      const share = 1 - at / spine.length;
      const radius = (4 + 24 * Math.sin(Math.PI * (0.18 + 0.62 * share)) * share ** 0.4) * scale;
      const px = camera.pixelX(x);
      const py = camera.pixelY(y);
      context.fillStyle = at % 2 === 0 ? "#170a16" : "#1f0c1a";
      context.strokeStyle = `rgba(255, 60, 90, ${0.1 + 0.3 * share})`;
      context.lineWidth = 1.4;
      if (at % 3 === 1) {
        context.beginPath(); // fins
        for (const side of [-1, 1]) {
          const out = angle + side * 2.1;
          context.moveTo(px, py);
          context.lineTo(px + Math.cos(out) * radius * 1.9, py + Math.sin(out) * radius * 1.9);
          context.lineTo(px - Math.cos(angle) * radius, py - Math.sin(angle) * radius);
        }
        context.fill();
        context.stroke();
      }
      context.beginPath();
      context.arc(px, py, radius, 0, 7);
      context.fill();
      context.stroke();
    }
    const [headX, headY, angle] = spine[0];
    context.globalCompositeOperation = "lighter";
    for (const side of [-1, 1]) {
      const x = camera.pixelX(headX + Math.cos(angle + side * 0.6) * 17);
      const y = camera.pixelY(headY + Math.sin(angle + side * 0.6) * 17);
      stamp(context, this.#sprites.blood, x, y, 11 * scale);
      stamp(context, this.#sprites.spark, x, y, 3 * scale);
    }
    context.globalCompositeOperation = "source-over";
  }

  /** Places and angles along the way that it came, head first. */
  #spine(body, trail, now) {
    const spine = [];
    let angle = this.#way(body);
    let [x, y] = [body.x, body.y];
    let at = trail.length - 1;
    for (let segment = 0; segment < SEGMENTS; segment += 1) {
      const sway = Math.sin(now * 2.2 - segment * 0.55) * segment * 0.28;
      spine.push([x - Math.sin(angle) * sway, y + Math.cos(angle) * sway, angle]);
      let left = SEGMENT_UNITS;
      while (left > 0 && at >= 0) {
        const far = Math.hypot(trail[at].x - x, trail[at].y - y);
        if (far > 1e-6) angle = Math.atan2(y - trail[at].y, x - trail[at].x);
        const step = Math.min(far, left);
        x -= Math.cos(angle) * step;
        y -= Math.sin(angle) * step;
        left -= step;
        if (far <= step + 1e-6) at -= 1;
      }
      x -= Math.cos(angle) * left; // further back than anybody saw it
      y -= Math.sin(angle) * left;
    }
    return spine;
  }

  #way({ id, vx, vy }) {
    if (vx * vx + vy * vy > STILL * STILL) {
      const way = Math.atan2(vy, vx);
      this.#ways.set(id, way);
      return way;
    }
    return this.#ways.get(id) ?? 0;
  }
}

/** Have the context turned and sized as a body is; `flipped` for who would swim on its back. */
function turned(context, base, camera, { x, y }, way, size, flipped = false) {
  const cos = Math.cos(way) * size;
  const sin = Math.sin(way) * size;
  const up = flipped ? -1 : 1;
  const { a: ratio } = base;
  context.setTransform(
    cos * ratio,
    sin * ratio,
    -sin * up * ratio,
    cos * up * ratio,
    camera.pixelX(x) * ratio,
    camera.pixelY(y) * ratio,
  );
}
