/**
 * What is told beside the picture: own light, weapons, the score board, the netcode line, the mode
 * and always the simulated link.
 *
 * Must not know: clients.
 */

import { KEYS } from "./controls.js";
import { make, show, write } from "./dom.js";

const ROWS = 10;
const MODES = ["", "raw snapshots", "interpolated", "+ prediction", "+ extrapolation"];

/**
 * @typedef {object} Told
 * @property {number | null} light null while there is no avatar
 * @property {number} sight in units
 * @property {{name: string, left: number}[]} waits `left` 0 (ready) to 1
 * @property {{name: string, score: number, own: boolean}[]} scores best first
 * @property {string} notice what keeps one from playing; "" for nothing
 * @property {string[]} netcode
 * @property {string} linkName
 * @property {boolean} help
 * @property {number} mode
 * @property {boolean} split
 */

/** The words over the picture. */
export class Hud {
  #light = make("strong", { className: "light" });
  #sight = make("span", { className: "quiet" });
  #waits = make("div", { className: "waits" });
  #scores = make("ol", { className: "scores glass", hidden: true });
  #notice = make("p", { className: "notice glass", role: "status", hidden: true });
  #netcode = make("span", { className: "netcode" });
  #link = make("span", { className: "link" });
  #mode = make("span", { className: "mode" });
  #rawCaption = make("p", { className: "caption glass raw", textContent: "1 raw snapshots", hidden: true });
  #caption = make("p", { className: "caption glass", hidden: true });
  #help = make("table", { className: "help glass", hidden: true });

  /** @param {HTMLElement} root that it fills */
  constructor(root) {
    const own = make("div", { className: "own" }, [
      make("div", {}, [this.#light, make("span", { className: "unit", textContent: "light" })]),
      this.#sight,
      this.#waits,
    ]);
    const line = make("footer", { className: "glass" }, [this.#mode, this.#netcode, this.#link]);
    for (const [keys, what] of KEYS) {
      const row = this.#help.insertRow();
      row.append(make("th", { textContent: keys }), make("td", { textContent: what }));
    }
    const captions = make("div", { className: "captions" }, [this.#rawCaption, this.#caption]);
    root.append(own, this.#scores, captions, this.#notice, line, this.#help);
  }

  /** Show it. @param {Told} told */
  show({ light, sight, waits, scores, notice, netcode, linkName, help, mode, split }) {
    write(this.#light, light === null ? "" : light.toFixed(0));
    write(this.#sight, light === null ? "" : `you see ${sight.toFixed(0)} units`);
    this.#showWaits(waits);
    this.#showScores(scores);
    write(this.#notice, notice);
    show(this.#notice, notice !== "");
    write(this.#mode, `${mode} ${MODES[mode]}`);
    write(this.#caption, `${mode} ${MODES[mode]}`);
    show(this.#caption, split);
    show(this.#rawCaption, split);
    write(this.#netcode, netcode.join("   "));
    write(this.#link, `simulated link: ${linkName}`);
    this.#link.classList.toggle("on", linkName !== "none");
    show(this.#help, help);
  }

  #showWaits(waits) {
    while (this.#waits.children.length < waits.length) {
      const bar = make("div", { className: "bar" }, [make("i")]);
      this.#waits.append(make("div", {}, [make("span"), bar]));
    }
    for (const [index, { name, left }] of waits.entries()) {
      const row = this.#waits.children[index];
      write(row.firstChild, name);
      row.classList.toggle("ready", left <= 0);
      const width = `${Math.round((1 - Math.max(left, 0)) * 100)}%`;
      const { style } = row.lastChild.firstChild;
      if (style.width !== width) style.width = width;
    }
  }

  #showScores(scores) {
    const rows = scores.slice(0, ROWS);
    show(this.#scores, rows.length > 0);
    while (this.#scores.children.length < rows.length) {
      this.#scores.append(make("li", {}, [make("span"), make("b")]));
    }
    while (this.#scores.children.length > rows.length) this.#scores.lastChild.remove();
    for (const [index, { name, score, own }] of rows.entries()) {
      const row = this.#scores.children[index];
      write(row.firstChild, name || "nobody");
      write(row.lastChild, score.toFixed(0));
      row.classList.toggle("mine", own);
    }
  }
}
