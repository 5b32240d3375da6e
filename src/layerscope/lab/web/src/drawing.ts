/** A drawing of 28 × 28 pixels with 16 levels, as letters and in MNIST's place: the twin of lab/drawing.py. */

export const SIDE = 28;
export const FULL = 15;
const BOX = 20;
const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const PAPER = 16;
const INK = 48;

export const blank = (): number[] => new Array<number>(SIDE * SIDE).fill(0);

export function written(pixels: readonly number[]): string {
  let count = pixels.length;
  while (count > 1 && !pixels[count - 1]) count--;
  let letters = "";
  for (let at = 0; at < count;) {
    const level = pixels[at]!;
    const most = level === 0 ? 33 : 17;
    let run = 1;
    while (run < most && at + run < count && pixels[at + run] === level) run++;
    if (run === 1 || (level !== 0 && level !== FULL)) {
      letters += LETTERS[level];
      at++;
    } else {
      letters += LETTERS[(level ? INK : PAPER) + run - 2];
      at += run;
    }
  }
  return letters;
}

/** null where they are no drawing. */
export function read(letters: string): number[] | null {
  const pixels: number[] = [];
  for (const letter of letters) {
    const number = LETTERS.indexOf(letter);
    if (number < 0 || pixels.length >= SIDE * SIDE) return null;
    const [level, count] = number >= INK ? [FULL, number - INK + 2] : number < PAPER ? [number, 1] : [0, number - PAPER + 2];
    for (let n = 0; n < count; n++) pixels.push(level);
  }
  if (pixels.length > SIDE * SIDE) return null;
  while (pixels.length < SIDE * SIDE) pixels.push(0);
  return pixels;
}

export function fitted(pixels: readonly number[]): number[] {
  const inked = pixels.flatMap((level, n) => (level ? [[Math.floor(n / SIDE), n % SIDE] as const] : []));
  if (!inked.length) return blank();
  const [rows, columns] = [inked.map(([row]) => row), inked.map(([, column]) => column)];
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  const [height, width] = [Math.max(...rows) + 1 - top, Math.max(...columns) + 1 - left];
  const longest = Math.max(height, width);
  const [high, wide] = [height, width].map((side) =>
    Math.max(1, Math.floor((2 * BOX * side + longest) / (2 * longest)))) as [number, number];
  const small: number[] = [];
  for (let row = 0; row < high; row++) {
    for (let column = 0; column < wide; column++) {
      small.push(mean(pixels, overlaps(row, top, height, high), overlaps(column, left, width, wide), height * width));
    }
  }
  return centred(small, high, wide);
}

export function shifted(pixels: readonly number[], right: number, down: number): number[] {
  const moved = blank();
  pixels.forEach((level, n) => put(moved, Math.floor(n / SIDE) + down, (n % SIDE) + right, level));
  return moved;
}

type Overlap = [place: number, share: number];

function mean(pixels: readonly number[], rows: Overlap[], columns: Overlap[], area: number): number {
  let total = 0;
  for (const [row, a] of rows) for (const [column, b] of columns) total += a * b * pixels[row * SIDE + column]!;
  return Math.floor((2 * total + area) / (2 * area));
}

function overlaps(index: number, begin: number, old: number, size: number): Overlap[] {
  const [start, stop] = [index * old, (index + 1) * old];
  const found: Overlap[] = [];
  for (let n = Math.floor(start / size); n < Math.ceil(stop / size); n++) {
    found.push([begin + n, Math.min(stop, (n + 1) * size) - Math.max(start, n * size)]);
  }
  return found;
}

function centred(small: readonly number[], high: number, wide: number): number[] {
  const sum = (term: (n: number) => number): number => small.reduce((all, level, n) => all + level * term(n), 0);
  const mass = sum(() => 1);
  const sheet = blank();
  if (!mass || !high) return sheet;
  const [top, left] = [sum((n) => Math.floor(n / wide)), sum((n) => n % wide)].map((moment) =>
    Math.floor((SIDE * mass - 2 * moment) / (2 * mass))) as [number, number];
  small.forEach((level, n) => put(sheet, Math.floor(n / wide) + top, (n % wide) + left, level));
  return sheet;
}

function put(sheet: number[], row: number, column: number, level: number): void {
  if (row >= 0 && row < SIDE && column >= 0 && column < SIDE) sheet[row * SIDE + column] = level;
}
