// Seeded chance for tests, so that what fails once fails again.

export class Chance {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  /** 32 bits (mulberry32). */
  bits() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return (z ^ (z >>> 14)) >>> 0;
  }

  /** A whole number of 0 to `bound` - 1. */
  below(bound) {
    return Math.floor((this.bits() / 2 ** 32) * bound);
  }

  of(choices) {
    return choices[this.below(choices.length)];
  }

  bytes(count) {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }
}

/** `data` with something wrong in it, mostly: cut, or with bytes changed, left out or put in. */
export function damaged(chance, data) {
  const bytes = Array.from(data);
  const how = chance.below(8);
  if (how === 0) return Uint8Array.from(bytes.slice(0, chance.below(bytes.length)));
  for (let times = 1 + chance.below(3); times > 0; times -= 1) {
    const at = chance.below(bytes.length);
    if (how < 3) bytes[at] = chance.below(256);
    else if (how < 5) bytes[at] ^= 1 << chance.below(8);
    else if (how === 5) bytes.splice(at, 1 + chance.below(4));
    else if (how === 6) bytes.splice(at, 0, ...chance.bytes(1 + chance.below(4)));
    else bytes[at] = chance.of([0x00, 0x1b, 0x3b, 0x5b, 0x7b, 0x9b, 0xbb, 0xf6, 0xf7, 0xfb, 0xff]);
    if (bytes.length === 0) break;
  }
  return Uint8Array.from(bytes);
}
