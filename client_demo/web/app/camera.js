/**
 * The camera: which place of the world is where on the screen.
 *
 * It follows the own avatar softly, so that an avatar that sets out is seen to move at once, before
 * the water around it does.
 *
 * Must not know: canvases, clients.
 */

const SIGHT_WIDE = 3; // the picture shows so many times the sight from side to side, at most,
const SIGHT_HIGH = 1.9; // and so many from top to bottom
const SHORE = 20; // units that it shows beyond the world's edge
const FOLLOW_S = 0.18; // in which it makes up for all but 1/e of what it lags behind
const ZOOM_S = 0.6;

/** A picture of `width` x `height` pixels of the world; `x`, `y` is the place in its middle. */
export class Camera {
  #sight = 0;
  #placed = false;
  #whole = null; // the world's sides, while all of it is shown

  constructor() {
    this.x = 0;
    this.y = 0;
    this.width = 1;
    this.height = 1;
    /** Pixels per unit. */
    this.scale = 1;
  }

  /** The picture has another size; the place in its middle stays there. */
  resize(width, height) {
    this.width = width;
    this.height = height;
    this.#scale();
  }

  /** Show all of a world of `width` x `height` units. */
  showAll(width, height) {
    this.#whole = [width + 2 * SHORE, height + 2 * SHORE];
    this.x = width / 2;
    this.y = height / 2;
    this.#scale();
  }

  /** Come closer, or go further away, so that it shows what can be seen within `sight` units. */
  see(sight, elapsedS) {
    const share = this.#sight > 0 ? shareOf(elapsedS, ZOOM_S) : 1;
    this.#sight += (sight - this.#sight) * share;
    this.#scale();
  }

  /**
   * Go after a place, as far as that shows no more than the shore of a world of `width` x `height`.
   * Beyond `jump` it does not go but is there. Everything is in units.
   *
   * @param {number} x
   * @param {number} y
   * @param {number} elapsedS
   * @param {{jump: number, width: number, height: number}} world
   */
  follow(x, y, elapsedS, { jump, width, height }) {
    const toX = within(x, this.width / this.scale, width);
    const toY = within(y, this.height / this.scale, height);
    const isFar = Math.hypot(toX - this.x, toY - this.y) > jump;
    const share = this.#placed && !isFar ? shareOf(elapsedS, FOLLOW_S) : 1;
    this.#placed = true;
    this.x += (toX - this.x) * share;
    this.y += (toY - this.y) * share;
  }

  /** Where a place of the world is in the picture. @returns {[number, number]} */
  pixel(x, y) {
    return [this.pixelX(x), this.pixelY(y)];
  }

  pixelX(x) {
    return (x - this.x) * this.scale + this.width / 2;
  }

  pixelY(y) {
    return (y - this.y) * this.scale + this.height / 2;
  }

  /** Whether anything within `reach` units of a place may be in the picture. */
  shows(x, y, reach) {
    return (
      Math.abs(x - this.x) * this.scale <= this.width / 2 + reach * this.scale &&
      Math.abs(y - this.y) * this.scale <= this.height / 2 + reach * this.scale
    );
  }

  #scale() {
    if (this.#whole !== null) {
      const [width, height] = this.#whole;
      this.scale = Math.min(this.width / width, this.height / height);
      return;
    }
    const sight = this.#sight || 1;
    this.scale = Math.max(this.width / (SIGHT_WIDE * sight), this.height / (SIGHT_HIGH * sight));
  }
}

function shareOf(elapsedS, timeS) {
  return 1 - Math.exp(-elapsedS / timeS);
}

/** The nearest middle of a view that lies in the world; the world's middle if none does. */
function within(at, view, world) {
  const least = view / 2 - SHORE;
  return least >= world / 2 ? world / 2 : Math.min(Math.max(at, least), world - least);
}
