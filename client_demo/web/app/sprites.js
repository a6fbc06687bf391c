/**
 * Pictures that are painted once and stamped often: glows, fish, divers, words.
 *
 * Must not know: what is where.
 */

const GLOW_PX = 128;
const FISH_WIDE = 56;
const FISH_HIGH = 28;
/** A fish's tail has so many positions. */
export const SWINGS = 8;
const LABELS_MAX = 300;

/** Species by number; the last is golden. */
const FISH = ["#63d2dc", "#86dca4", "#6f9cf4", "#b794ee", "#ec86b8", "#ffe07a"];

/** An empty picture. @returns {[OffscreenCanvas, OffscreenCanvasRenderingContext2D]} */
export function blank(width, height) {
  const canvas = new OffscreenCanvas(width, height);
  return [canvas, canvas.getContext("2d")];
}

/**
 * A round light that fades out.
 *
 * @param {[number, number, number]} colour
 * @param {[at: number, strength: number][]} stops from its middle (0) to its edge (1)
 * @returns {ImageBitmap}
 */
export function glow([red, green, blue], stops) {
  const [canvas, context] = blank(GLOW_PX, GLOW_PX);
  const middle = GLOW_PX / 2;
  const gradient = context.createRadialGradient(middle, middle, 0, middle, middle, middle);
  for (const [at, strength] of stops) {
    gradient.addColorStop(at, `rgba(${red}, ${green}, ${blue}, ${strength})`);
  }
  context.fillStyle = gradient;
  context.fillRect(0, 0, GLOW_PX, GLOW_PX);
  return canvas.transferToImageBitmap(); // what does not change any more is stamped faster
}

/** Put a round picture of a radius where its middle belongs. */
export function stamp(context, picture, x, y, radius) {
  context.drawImage(picture, x - radius, y - radius, 2 * radius, 2 * radius);
}

/** Everything that is stamped. */
export class Sprites {
  #labels = new Map();

  constructor() {
    const soft = [[0, 1], [0.12, 0.62], [0.35, 0.2], [0.7, 0.05], [1, 0]];
    this.lantern = glow([255, 206, 128], soft);
    this.ember = glow([255, 120, 44], soft);
    this.blood = glow([255, 40, 70], soft);
    this.cold = glow([150, 205, 225], soft);
    this.spark = glow([255, 246, 222], [[0, 1], [0.2, 0.9], [0.45, 0.25], [1, 0]]);
    /** By species, then by swing of the tail. */
    this.fish = FISH.map((colour) => Array.from({ length: SWINGS }, (_, at) => fish(colour, at)));
    this.diver = diver("#e9c888", "#8a6a3c");
    this.me = diver("#fff0c8", "#b98d4a");
  }

  /** The picture of a name, in CSS pixels twice as fine. */
  label(text, colour) {
    const key = `${colour}${text}`;
    let picture = this.#labels.get(key);
    if (picture === undefined) {
      if (this.#labels.size >= LABELS_MAX) this.#labels.clear();
      this.#labels.set(key, (picture = label(text, colour)));
    }
    return picture;
  }
}

/** A slender fish that swims to the right, lit from above. */
function fish(colour, swing) {
  const [canvas, context] = blank(FISH_WIDE, FISH_HIGH);
  const bend = Math.sin((swing / SWINGS) * 2 * Math.PI) * 5;
  const middle = FISH_HIGH / 2;
  context.globalAlpha = 0.25;
  context.fillStyle = colour;
  body(context, middle, bend, 3);
  context.globalAlpha = 1;
  const gradient = context.createLinearGradient(0, middle - 6, 0, middle + 7);
  gradient.addColorStop(0, "#ffffff");
  gradient.addColorStop(0.35, colour);
  gradient.addColorStop(1, "rgba(8, 24, 48, 0.9)");
  context.fillStyle = gradient;
  body(context, middle, bend, 0);
  context.fillStyle = "#061019";
  context.beginPath();
  context.arc(FISH_WIDE - 12, middle - 1.5, 1.5, 0, 7);
  context.fill();
  return canvas.transferToImageBitmap();
}

function body(context, middle, bend, more) {
  const nose = FISH_WIDE - 6 + more;
  const tail = 14;
  context.beginPath();
  context.moveTo(nose, middle);
  context.quadraticCurveTo(nose - 16, middle - 8 - more, tail, middle + bend * 0.4 - more / 2);
  context.lineTo(4 - more, middle + bend - 6 - more);
  context.lineTo(8, middle + bend);
  context.lineTo(4 - more, middle + bend + 6 + more);
  context.lineTo(tail, middle + bend * 0.4 + more / 2);
  context.quadraticCurveTo(nose - 16, middle + 8 + more, nose, middle);
  context.fill();
}

/** A diver that swims to the right, its lantern held ahead, of 64 x 40 pixels. */
function diver(light, dark) {
  const [canvas, context] = blank(64, 40);
  context.lineCap = "round";
  context.strokeStyle = dark;
  context.lineWidth = 4.5;
  for (const side of [-1, 1]) {
    context.beginPath(); // legs, with fins
    context.moveTo(24, 20 + side * 2);
    context.lineTo(9, 20 + side * 5);
    context.stroke();
    context.fillStyle = dark;
    context.beginPath();
    context.ellipse(6, 20 + side * 6.5, 6, 2.6, side * 0.35, 0, 7);
    context.fill();
  }
  context.lineWidth = 3.5;
  context.beginPath(); // the arm that holds the lantern
  context.moveTo(34, 23);
  context.lineTo(50, 21);
  context.stroke();
  const suit = context.createLinearGradient(0, 12, 0, 28);
  suit.addColorStop(0, light);
  suit.addColorStop(1, dark);
  context.fillStyle = suit;
  context.beginPath();
  context.ellipse(29, 20, 11, 6, 0, 0, 7);
  context.fill();
  context.fillStyle = "#5b6d7c";
  context.beginPath(); // the tank
  context.ellipse(27, 17, 8, 3, 0, 0, 7);
  context.fill();
  context.fillStyle = light;
  context.beginPath();
  context.arc(41, 19, 5.5, 0, 7);
  context.fill();
  context.fillStyle = "#1c3a52";
  context.beginPath(); // the mask
  context.ellipse(43.5, 18.5, 2.6, 3.2, 0, 0, 7);
  context.fill();
  context.fillStyle = "#fffaf0";
  context.beginPath();
  context.arc(53, 21, 3.2, 0, 7);
  context.fill();
  return canvas.transferToImageBitmap();
}

function label(text, colour) {
  const [, ruler] = blank(1, 1);
  const font = "600 24px system-ui, 'DejaVu Sans', sans-serif";
  ruler.font = font;
  const width = Math.ceil(ruler.measureText(text).width) + 12;
  const [canvas, context] = blank(width, 34);
  context.font = font;
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 5;
  context.strokeStyle = "rgba(2, 8, 14, 0.75)";
  context.strokeText(text, 6, 17);
  context.fillStyle = colour;
  context.fillText(text, 6, 17);
  return canvas.transferToImageBitmap();
}
