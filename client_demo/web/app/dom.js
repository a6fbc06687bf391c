/**
 * Making and changing elements in few words; what is as it was is not touched.
 *
 * Must not know: what they are for.
 */

/**
 * An element with properties and children (elements or texts).
 *
 * @param {string} tag
 * @param {Record<string, any>} [properties] `className`, `textContent`, `onclick` and so on; those
 *   with a hyphen become attributes
 * @param {(Node | string)[]} [children]
 * @returns {any}
 */
export function make(tag, properties = {}, children = []) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Set a text, if it is another one. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show or hide. */
export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}
