/**
 * The card at the beginning: who are you?
 *
 * Must not know: connections.
 */

const REMEMBERED = "shoal.name";
const LETTERS_MAX = 16;

/** Asks for a name, once. `root` holds a form with a field. */
export class Door {
  #root;
  #field;

  /**
   * @param {HTMLElement} root
   * @param {{onName: (name: string) => void}} listener
   */
  constructor(root, { onName }) {
    this.#root = root;
    this.#field = root.querySelector("input");
    this.#field.maxLength = LETTERS_MAX;
    this.#field.value = remembered();
    root.hidden = false;
    root.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#field.value.trim().slice(0, LETTERS_MAX) || "diver";
      remember(name);
      onName(name);
    });
    this.#field.focus();
    this.#field.select();
  }

  /** It has been answered. */
  close() {
    this.#root.hidden = true;
    this.#field.blur();
  }
}

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED) ?? "";
  } catch {
    return ""; // a browser that keeps nothing
  }
}

function remember(name) {
  try {
    localStorage.setItem(REMEMBERED, name);
  } catch {
    // then the next visit asks again
  }
}
