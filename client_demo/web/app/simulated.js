/**
 * The link that the page simulates: what the panel's sliders say, as a profile and in words.
 *
 * Must not know: the page, sockets.
 */

import { makeProfile, PRESETS } from "../shoal/link.js";

/**
 * What the sliders say. `latencyMs` is both ways; `kbitPerS` null is no limit. With a preset's name
 * the numbers are only what the sliders show.
 *
 * @typedef {object} LinkSettings
 * @property {string} preset "off", "custom" or the name of a preset
 * @property {number} latencyMs
 * @property {number} jitterMs
 * @property {number} stallPercent
 * @property {number | null} kbitPerS
 */

/** No simulated link. @type {Readonly<LinkSettings>} */
export const OFF = Object.freeze({
  preset: "off", latencyMs: 0, jitterMs: 0, stallPercent: 0, kbitPerS: null,
});
const QUEUE_S = 0.5; // of the rate, as home routers have it
const QUEUE_LEAST_BYTES = 16_384;

/**
 * The profile of settings; null for none.
 *
 * @param {LinkSettings} settings
 * @returns {import("../shoal/link.js").Profile | null}
 */
export function profileOf({ preset, latencyMs, jitterMs, stallPercent, kbitPerS }) {
  if (Object.hasOwn(PRESETS, preset)) return PRESETS[preset];
  if (preset === "off" || (!latencyMs && !jitterMs && !stallPercent && kbitPerS === null)) {
    return null;
  }
  const bytesPerS = kbitPerS === null ? 0 : (kbitPerS * 1000) / 8;
  return makeProfile({
    delayS: latencyMs / 2000,
    jitterS: jitterMs / 1000,
    loss: stallPercent / 100,
    bytesPerS,
    queueBytes: Math.max(bytesPerS * QUEUE_S, QUEUE_LEAST_BYTES),
  });
}

/**
 * Settings in words, for players never to take the link for the real one.
 *
 * @param {LinkSettings} settings
 * @returns {string}
 */
export function nameOf(settings) {
  const profile = profileOf(settings);
  if (profile === null) return "none";
  const parts = [`${Math.round(profile.delayS * 2000)} ms`];
  if (profile.jitterS > 0) parts.push(`jitter ${Math.round(profile.jitterS * 1000)} ms`);
  if (profile.loss > 0) parts.push(`stalls ${round(profile.loss * 100)} %`);
  if (profile.burstS > 0) parts.push("bursts of loss");
  if (profile.bytesPerS > 0) parts.push(rateOf(profile.bytesPerS * 8));
  return `${settings.preset}: ${parts.join(", ")}`;
}

function rateOf(bitsPerS) {
  return bitsPerS >= 1e6 ? `${round(bitsPerS / 1e6)} Mbit/s` : `${round(bitsPerS / 1e3)} kbit/s`;
}

function round(number) {
  return `${Math.round(number * 10) / 10}`;
}
