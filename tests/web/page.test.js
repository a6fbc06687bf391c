// Small parts of the page: the simulated link in words, switches, meters.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Camera } from "../../client_demo/web/app/camera.js";
import { placeOf, wishOf } from "../../client_demo/web/app/deck.js";
import { Crowd } from "../../client_demo/web/app/crowd.js";
import { FrameMeter, LinkMeter } from "../../client_demo/web/app/meter.js";
import { Settings } from "../../client_demo/web/app/settings.js";
import { nameOf, OFF, profileOf } from "../../client_demo/web/app/simulated.js";
import { Mode } from "../../client_demo/web/shoal/client.js";
import { PRESETS } from "../../client_demo/web/shoal/link.js";

test("settings become a profile, and words", () => {
  assert.equal(profileOf(OFF), null);
  assert.equal(nameOf(OFF), "none");
  const custom = {
    preset: "custom", latencyMs: 200, jitterMs: 20, stallPercent: 1.5, kbitPerS: 256,
  };
  const profile = profileOf(custom);
  assert.deepEqual(
    [profile.delayS, profile.jitterS, profile.loss, profile.bytesPerS],
    [0.1, 0.02, 0.015, 32_000],
  );
  assert.equal(nameOf(custom), "custom: 200 ms, jitter 20 ms, stalls 1.5 %, 256 kbit/s");
  assert.equal(profileOf({ ...custom, preset: "average" }), PRESETS.average);
  assert.equal(
    nameOf({ ...custom, preset: "average" }),
    "average: 100 ms, jitter 8 ms, stalls 2 %, 10 Mbit/s",
  );
  assert.equal(profileOf({ ...OFF, preset: "custom" }), null);
});

/** A server with bots, or with whatever `answer` gives: [status, body]. */
function crowdOf(answer) {
  const browser = { now: 100, asked: [] };
  const crowd = new Crowd({
    now: () => browser.now,
    fetch: async (address, options) => {
      browser.asked.push(options?.method ?? "GET");
      const [status, body] = answer(options);
      const text = typeof body === "string" ? body : JSON.stringify(body);
      return { ok: status < 400, status, text: async () => text, json: async () => JSON.parse(text) };
    },
  });
  return { crowd, browser };
}

test("more bots are asked for only where there may be more, and not too often", async () => {
  let bots = 50;
  const { crowd, browser } = crowdOf((options) => {
    if (options !== undefined) bots = Math.min(bots + JSON.parse(options.body).count, 200);
    return [options === undefined ? 200 : 202, { bots, bots_max: 200 }];
  });
  await crowd.look();
  await crowd.grow(100);
  assert.deepEqual([crowd.bots.bots, crowd.refusal], [150, ""]);
  await crowd.grow(100);
  assert.equal(crowd.refusal, "not so often");
  browser.now += 2;
  await crowd.grow(100);
  assert.deepEqual([crowd.bots.bots, crowd.refusal], [200, ""]);
  browser.now += 2;
  await crowd.grow(100);
  assert.equal(crowd.refusal, "there are 200 bots, and no more may join");
  assert.deepEqual(browser.asked, ["GET", "POST", "POST"], "no refusal was asked for");
});

test("a server's refusal is told in words", async () => {
  let refusal = { error: "not so often", bots: 1, bots_max: 9 };
  const { crowd, browser } = crowdOf((options) => {
    return options === undefined ? [200, { bots: 1, bots_max: 9 }] : [429, refusal];
  });
  await crowd.look();
  await crowd.grow(1);
  assert.equal(crowd.refusal, "not so often");
  refusal = "only the page itself may ask for this\n";
  browser.now += 2;
  await crowd.grow(1);
  assert.equal(crowd.refusal, "only the page itself may ask for this");
});

test("a server without bots of its own is not asked for them", async () => {
  const none = crowdOf(() => [200, { bots: 0, bots_max: 0 }]);
  await none.crowd.look();
  await none.crowd.grow(100);
  assert.deepEqual([none.crowd.bots, none.browser.asked], [null, ["GET"]]);
  assert.equal(none.crowd.refusal, "this server has no bots of its own");
  const other = crowdOf(() => [404, "there is no such page"]);
  for (let time = 0; time < 3; time += 1) await other.crowd.look();
  assert.deepEqual(other.browser.asked, ["GET"], "an address that is not there is asked for again");
});

test("commands switch, and strangers are refused", () => {
  const settings = new Settings();
  assert.equal(settings.command("mode2"), true);
  assert.equal(settings.mode, Mode.INTERPOLATED);
  assert.equal(settings.command("truth"), true);
  assert.equal(settings.layers.truth, true);
  assert.equal(settings.command("split"), true);
  assert.equal(settings.split, true);
  assert.equal(settings.command("toString"), false);
  assert.equal(settings.command("drop"), false);
});

test("frames are judged by their worst twentieth", () => {
  const meter = new FrameMeter();
  for (let frame = 0; frame < 100; frame += 1) meter.add(frame * 16, frame * 16 + (frame % 10));
  assert.equal(meter.frameMs(), 16);
  assert.equal(meter.scriptMs(), 9);
  assert.equal(meter.scriptMs(0.5), 5);
  assert.equal(meter.frames, 100);
  meter.clear();
  assert.equal(meter.frameMs(), 0);
});

test("the link's meter gives rates over a second, by kind", () => {
  const timeline = { newest: 0, shown: 0, interval: 0.05, delayS: 0.1 };
  const bytesBy = {};
  const client = { foresight: null, timeline, statistics: () => ({ bytesBy, roundTripS: 0.08 }) };
  const meter = new LinkMeter();
  const samples = [];
  for (let tick = 0; tick < 60; tick += 1) {
    timeline.newest = tick;
    timeline.shown = tick - 2;
    bytesBy.snapshot = tick * 100;
    bytesBy.pong = tick * 10;
    bytesBy.welcome = 5000;
    const sample = meter.note(client, tick * 0.05);
    if (sample !== null) samples.push(sample);
  }
  const last = samples.at(-1);
  assert.ok(samples.length >= 20 && samples.length <= 31, `${samples.length} samples of 3 s`);
  assert.ok(Math.abs(last.bytes.snapshots - 2000) < 1e-6);
  assert.ok(Math.abs(last.bytes.other - 200) < 1e-6);
  assert.ok(Math.abs(last.tickIntervalMs - 50) < 1e-6);
  assert.ok(Math.abs(last.bufferMs - 100) < 1e-6);
  assert.equal(last.roundTripMs, 80);
});

test("a correction is remembered for a while, but not that one was put elsewhere", () => {
  const timeline = { newest: 0, shown: 0, interval: 0.05, delayS: 0.1 };
  const foresight = { corrections: 0, error: 0 };
  const client = {
    foresight, timeline, schema: { jump: 64 }, statistics: () => ({ bytesBy: {}, roundTripS: 0 }),
  };
  const meter = new LinkMeter();
  assert.equal(meter.note(client, 0).error, 0);
  Object.assign(foresight, { corrections: 1, error: 3 });
  assert.equal(meter.note(client, 0.2).error, 3);
  Object.assign(foresight, { corrections: 2, error: 500 });
  assert.equal(meter.note(client, 0.4).error, 3);
  assert.equal(meter.note(client, 6).error, 0);
});

test("a recording's buttons ask for what they say, and for nothing that is not there", () => {
  const told = {
    tick: 1201, first: 1, last: 2401, hz: 20, speed: 4, speeds: [1, 2, 4, 8], paused: false, ended: false,
  };
  assert.deepEqual(wishOf("pause", told), { paused: true });
  assert.deepEqual(wishOf("pause", { ...told, paused: true }), { paused: false });
  assert.deepEqual(wishOf("step", told), { step: true });
  assert.deepEqual(wishOf("faster", told), { speed: 8 });
  assert.deepEqual(wishOf("slower", told), { speed: 2 });
  assert.equal(wishOf("faster", { ...told, speed: 8 }), null);
  assert.equal(wishOf("slower", { ...told, speed: 1 }), null);
  assert.equal(placeOf(told), "1:00 of 2:00, tick 1201");
  assert.equal(placeOf({ ...told, tick: 2401, ended: true }), "2:00 of 2:00, tick 2401 - the end");
});

test("who looks on sees all of the world, whatever the window", () => {
  const camera = new Camera();
  camera.showAll(2048, 1024);
  for (const [width, height] of [[1280, 800], [400, 900], [2000, 300]]) {
    camera.resize(width, height);
    for (const [x, y] of [[0, 0], [2048, 1024]]) {
      const [across, down] = camera.pixel(x, y);
      assert.ok(across > 0 && across < width && down > 0 && down < height);
    }
  }
});
