/** How numbers are printed and where examples come from: the twin of lab/numbers.py. */

export function text(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
  const sign = value < 0 ? "−" : "";
  const size = Math.abs(value);
  if (Number.isInteger(size) && size < 1e5) return `${sign}${size}`;
  const [mantissa, power] = size.toExponential(2).split("e") as [string, string];
  const exponent = Number(power);
  if (exponent > -4 && exponent < 5) {
    return sign + trimmed(exponent >= 2 ? String(Number(size.toPrecision(3))) : size.toFixed(2 - exponent));
  }
  return `${sign}${trimmed(mantissa)}e${exponent < 0 ? "−" : ""}${Math.abs(exponent)}`;
}

/** A count, whole however large, with a comma before every three digits. */
export const amount = (value: number): string =>
  (value < 0 ? "−" : "") + String(Math.abs(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** A number in a sentence: whole ones as an amount, others with three digits. */
export const said = (value: number): string => (Number.isInteger(value) ? amount(value) : text(value));

const trimmed = (digits: string): string =>
  digits.includes(".") ? digits.replace(/0+$/, "").replace(/\.$/, "") : digits;

/** Whole numbers from 0 to 65,535: the upper half of a 32-bit linear congruential generator (Numerical Recipes). */
export function draws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 16;
  };
}

export function whole(count: number, low: number, high: number, seed: number): number[] {
  const next = draws(seed);
  return Array.from({ length: count }, () => low + (next() % (high - low + 1)));
}
