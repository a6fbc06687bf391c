// Real Colyseus clients beside whoever plays: do their copies equal what the server says they are?
//
//   node validate.mjs --port 12345
//
// The server answers a question for the truth right after a patch and on the same link, so that a
// copy must be exactly that when the answer comes. Prints one JSON line; exits with 1 when an
// entity was missing, surplus or different, or when nothing was compared.

import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "@colyseus/sdk";

import { fail, numbers, rounded, say } from "./control.mjs";
import { HEADINGS } from "./rules.mjs";

const INPUT = 0;
const TRUTH = 1;
const CLIENTS = 3;
const CHECKS = 8; // of each client
const BETWEEN_MS = 210; // no multiple of the tick
const PATIENCE_MS = 30_000;

const options = numbers({ port: undefined });
setTimeout(() => fail(`no verdict within ${PATIENCE_MS / 1000} s`), PATIENCE_MS);

class Eye {
  checks = 0;
  setDiffers = 0;
  valueDiffers = 0;
  visible = 0;

  async join() {
    this.room = await new Client(`http://127.0.0.1:${options.port}`).joinOrCreate("bench");
    this.room.onMessage(TRUTH, (rows) => this.#compare(rows));
    await new Promise((resolve) => this.room.onStateChange.once(resolve));
  }

  ask(heading) {
    this.room.send(INPUT, heading / 2);
    this.room.send(TRUTH);
  }

  #compare(rows) {
    const copy = new Map(this.room.state.entities.entries());
    this.checks += 1;
    this.visible += rows.length;
    for (const [key, ...truth] of rows) {
      const entity = copy.get(key);
      if (!copy.delete(key)) this.setDiffers += 1;
      else if (!equal(entity, truth)) this.valueDiffers += 1;
    }
    this.setDiffers += copy.size;
  }
}

function equal(entity, [x, y, heading, hp]) {
  return entity.x === x && entity.y === y && entity.heading === heading && entity.hp === hp;
}

function total(eyes, figure) {
  return eyes.reduce((sum, eye) => sum + eye[figure], 0);
}

const eyes = Array.from({ length: CLIENTS }, () => new Eye());
for (const eye of eyes) await eye.join();
for (let check = 0; check < CHECKS; check++) {
  await sleep(BETWEEN_MS);
  for (const [number, eye] of eyes.entries()) eye.ask((check * 96 + number * 14) % HEADINGS);
}
while (total(eyes, "checks") < CLIENTS * CHECKS) await sleep(50);

const checks = total(eyes, "checks");
const set_differs = total(eyes, "setDiffers");
const value_differs = total(eyes, "valueDiffers");
say({ checks, set_differs, value_differs, visible: rounded(total(eyes, "visible") / checks) });
process.exit(checks === 0 || set_differs + value_differs > 0 ? 1 : 0);
