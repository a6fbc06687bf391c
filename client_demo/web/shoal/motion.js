/**
 * The built-in motion "thrust": how an intent becomes a velocity, with the bits of the server.
 *
 * The order of operations is that of `sim/motion.py`, whose points the comments name. Every number
 * is a double and every operation rounds once, so both languages give the same; the golden vectors
 * in `tests/vectors/motion.json` hold them to it. The parameters are the schema's.
 *
 * Must not know: courses, ticks, who steps.
 */

const THRUST_STEP = 1 / 256;

/**
 * What a model reads and changes. The timers and `dash` are of models with a dash only.
 *
 * @typedef {object} Columns
 * @property {number} x in units, as are all positions
 * @property {number} y
 * @property {number} vx in units per second
 * @property {number} vy
 * @property {number} thrust_x
 * @property {number} thrust_y
 * @property {number} [dash]
 * @property {number} [dash_left]
 * @property {number} [dash_wait]
 */

/** The columns of the model that a predictor keeps, as the private fields that they are told in. */
export const MODEL_COLUMNS = ["thrust_x", "thrust_y", "dash", "dash_left", "dash_wait"];

/**
 * The thrust that (dx, dy) asks for: shortened to length 1, at whole multiples of 1/256.
 *
 * @param {number} dx
 * @param {number} dy
 * @returns {[number, number]}
 */
export function heldThrust(dx, dy) {
  const square = dx * dx + dy * dy;
  const scale = square > 1 ? 1 / Math.sqrt(square) : 1;
  return [snap(dx * scale, THRUST_STEP), snap(dy * scale, THRUST_STEP)];
}

/**
 * Apply an input by its name to `columns`, as the game's handler does on the server.
 *
 * Inputs that the model does not bind change nothing.
 *
 * @param {object} parameters a kind's motion, from the schema
 * @param {Columns} columns
 * @param {string} name
 * @param {Record<string, number>} values
 */
export function intend(parameters, columns, name, values) {
  if (name === parameters.input) {
    [columns.thrust_x, columns.thrust_y] = heldThrust(values.dx, values.dy);
  } else if (name === parameters.dash_input) {
    columns.dash = 1;
  }
}

/**
 * One step of "thrust" or "free": changes the velocity, and the dash's columns if there are any.
 *
 * @param {object} parameters a kind's motion, from the schema
 * @param {Columns} columns
 */
export function step(parameters, columns) {
  if (parameters.model === "thrust") {
    const [ax, ay] = thrusted(parameters, columns); // 2 and 3
    if (columns.dash === undefined) {
      columns.vx = ax;
      columns.vy = ay;
    } else {
      dash(parameters, columns, ax, ay);
    }
  }
  const [width, height] = parameters.size;
  columns.vx = keptInside(parameters, columns.x, columns.vx, width);
  columns.vy = keptInside(parameters, columns.y, columns.vy, height);
}

/** 2: push. 3: settle. */
function thrusted({ hz, accel, drag, max_speed: cap }, columns) {
  const push = accel / hz;
  const keep = 1 - drag / hz;
  const most = 256 * cap;
  const gain = drag > 0 ? Math.min((push * keep) / (drag / hz), most) : most;
  const { thrust_x: thrustX, thrust_y: thrustY, vx, vy } = columns;
  const [ax, ay] = capped((vx + thrustX * push) * keep, (vy + thrustY * push) * keep, cap);
  const [wx, wy] = capped(thrustX * gain, thrustY * gain, cap);
  const dx = wx - ax;
  const dy = wy - ay;
  return dx * dx + dy * dy <= (push / 2) * (push / 2) ? [wx, wy] : [ax, ay];
}

/** 1 and 5: timers. 4: the burst itself, for a velocity (ax, ay) without it. */
function dash(parameters, columns, ax, ay) {
  columns.dash_wait = Math.max(columns.dash_wait - 1, 0);
  if (columns.dash > 0 && columns.dash_wait === 0) {
    columns.dash_left = parameters.dash_steps;
    columns.dash_wait = parameters.dash_wait_steps;
  }
  columns.dash = 0;
  const dashes = columns.dash_left > 0;
  columns.dash_left = Math.max(columns.dash_left - 1, 0);
  const { thrust_x: thrustX, thrust_y: thrustY } = columns;
  const isSteered = thrustX * thrustX + thrustY * thrustY > 0;
  const hx = isSteered ? thrustX : columns.vx;
  const hy = isSteered ? thrustY : columns.vy;
  const heading = Math.sqrt(hx * hx + hy * hy);
  const isFast = dashes && heading > 0;
  const scale = isFast ? (parameters.max_speed * parameters.dash_factor) / heading : 1;
  columns.vx = isFast ? hx * scale : ax;
  columns.vy = isFast ? hy * scale : ay;
}

/** The vector, shortened to length `cap` where it is longer. */
function capped(x, y, cap) {
  const square = x * x + y * y;
  if (!(square > cap * cap)) return [x, y];
  const scale = cap / Math.sqrt(square);
  return [x * scale, y * scale];
}

/** 6: nobody leaves the world. */
function keptInside({ hz, speed_step: unit }, position, speed, side) {
  const ahead = (side - position) * hz;
  const behind = position * hz;
  let kept = snap(speed, unit);
  if (kept > ahead) kept = Math.floor(ahead / unit) * unit;
  if (kept < -behind) kept = -(Math.floor(behind / unit) * unit);
  return kept;
}

function snap(value, unit) {
  return Math.floor(value / unit + 0.5) * unit;
}
