/** Products as bars that add up, each beginning where the one before ended: negative to the left, positive to the right. */

import type { Place } from "../scene.ts";
import { text } from "../numbers.ts";
import { h, put, s } from "./dom.ts";
import type { Page } from "./page.ts";

export interface Bar { kind: string; text: string; from: number; to: number; cell: Place | null }

const ROW = 26;
const WIDTH = 460;
const LEFT = 120;
const RIGHT = 70;

/** The bars as a picture; in words it is the formula, which stands below. */
export function bars(all: readonly Bar[], page: Page): HTMLElement {
  const ends = all.flatMap((bar) => [bar.from, bar.to, 0]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const at = (value: number): number => LEFT + ((value - low) / (high - low || 1)) * (WIDTH - LEFT - RIGHT);
  const svg = s("svg", { viewBox: `0 0 ${WIDTH} ${all.length * ROW + 8}`, role: "img", class: "bars" });
  put(svg, "aria-label", `${page.words("page.bars")}: ${all.map((bar) => `${bar.text} = ${text(bar.to - bar.from)}`).join(", ")}`);
  all.forEach((bar, i) => {
    const y = 4 + i * ROW;
    const [left, right] = [Math.min(at(bar.from), at(bar.to)), Math.max(at(bar.from), at(bar.to))];
    const size = bar.to - bar.from;
    svg.append(
      s("text", { x: LEFT - 12, y: y + ROW / 2, class: "what" }, bar.text),
      s("rect", {
        x: left.toFixed(1), y: y + 4, width: Math.max(right - left, 1).toFixed(1), height: ROW - 8,
        class: `bar ${bar.kind} ${size < 0 ? "negative" : "positive"}`,
      }),
      s("text", { x: right + 6, y: y + ROW / 2, class: "much" }, `${size > 0 ? "+" : ""}${text(size)}`),
      ...(i + 1 < all.length
        ? [s("path", { d: `M${at(bar.to).toFixed(1)} ${y + ROW - 4}v8`, class: "on" })] : []),
    );
  });
  svg.prepend(s("path", { d: `M${at(0).toFixed(1)} 0v${all.length * ROW + 8}`, class: "axis" }));
  return h("div", { class: "barring" }, svg);
}
