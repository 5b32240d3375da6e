/** That a box has more to its left or right than it shows, so that what is cut off is seen to be cut. */

import { put } from "./dom.ts";

/** The box fades at the sides to which it can be scrolled (`data-more`); keys scroll it, as it takes the focus. */
export function cued(box: HTMLElement): HTMLElement {
  const look = (): void => {
    const [left, right] = [box.scrollLeft > 1, box.scrollLeft + box.clientWidth < box.scrollWidth - 1];
    put(box, "data-more", [left ? "left" : "", right ? "right" : ""].join(" ").trim() || null);
  };
  box.addEventListener("scroll", look, { passive: true });
  const watching = new ResizeObserver(look);
  const watch = (): void => {
    watching.disconnect();
    for (const one of [box, ...box.children]) watching.observe(one);
  };
  new MutationObserver(watch).observe(box, { childList: true });
  watch();
  return box;
}
