/** What need not be seen at once: done after the next painting, so that what one looks at is painted first. */

import { put } from "./dom.ts";

export class Late {
  /** What is marked as busy until all is done. */
  here: HTMLElement | null = null;
  private work: (() => void) | null = null;
  private planned = false;
  private begun = false;

  /** Instead of what was to be done and is not yet; null: nothing. The first time the screen is empty: it is done at once. */
  then(work: (() => void) | null): void {
    const first = !this.begun;
    this.begun = true;
    this.work = work;
    if (!work) return;
    if (first) {
      this.finish();
      return;
    }
    if (this.here) put(this.here, "aria-busy", "true");
    if (this.planned) return;
    this.planned = true;
    requestAnimationFrame(() => { setTimeout(() => this.run()); });
  }

  forget(): void {
    this.work = null;
    this.begun = false;
  }

  private run(): void {
    this.planned = false;
    this.finish();
  }

  private finish(): void {
    const { work } = this;
    this.work = null;
    work?.();
    if (this.here) put(this.here, "aria-busy", null);
  }
}
