/** Training while one watches, where a server is behind the page: start, loss, reconstructions, stop. */

import { text } from "../numbers.ts";
import { Curve } from "./curve.ts";
import { h, put, tell } from "./dom.ts";
import { Pictures } from "./pictures.ts";
import type { Page } from "./page.ts";
import { asked, Gone, served } from "./served.ts";

const WAIT_MS = 150;

interface About {
  own: { name: string; run: boolean } | null; data: string[]; defaults: Record<string, string | number | null>;
  training: { running: boolean; settings: Record<string, unknown> | null; model: boolean };
}
interface Event {
  event: string; id: number; epoch?: number; epochs?: number; batch?: number; batches?: number; loss?: number;
  logs?: Record<string, number>; seconds?: number; made?: number[][] | null; why?: string; command?: string;
  shown?: { shape: number[]; images: number[][] };
}
interface Through { shape: number[]; input: number[]; output: number[]; mse: number }

export class LiveTraining {
  readonly element: HTMLElement;
  private readonly form: HTMLFormElement;
  private readonly status = h("p", { role: "status", class: "status" });
  private readonly button = h("button", { type: "submit" });
  private readonly command = h("code");
  private readonly result = h("div", { class: "liveresult", hidden: true });
  private readonly curve: Curve;
  private readonly images: Pictures;
  private readonly through = new Map<string, Pictures>();
  private source: EventSource | null = null;
  private running = false;
  private epochs = 0;
  private batches = 0;
  private drawn = "";
  private timer = 0;
  private name = "";
  private given = "";
  private own = false;
  private model = false;

  constructor(private readonly page: Page) {
    this.curve = new Curve(page);
    this.images = new Pictures(page);
    for (const of of ["own", "live"]) this.through.set(of, new Pictures(page));
    this.form = h("form", { class: "controls", submit: (event: SubmitEvent) => { event.preventDefault(); void this.press(); } });
    const kept = h("p", { class: "keep" }, this.words("keep"), " ", this.command);
    this.result.append(this.curve.element, this.images.element, kept);
    this.element = h(
      "section", { class: "live" }, this.through.get("own")!.element, h("h2", {}, this.words("title")), this.form, this.status,
      this.result, this.through.get("live")!.element,
    );
    void this.begin();
  }

  /** Another drawing, as the network gets it. */
  show(drawn: string): void {
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.ask();
  }

  leave(): void {
    this.source?.close();
    clearTimeout(this.timer);
  }

  private words(key: string, args: Record<string, string | number> = {}): string {
    return this.page.words(`live.${key}`, args);
  }

  private async begin(): Promise<void> {
    try {
      const about = await asked<About>("api/lab");
      this.fields(about);
      this.own = about.own?.run ?? false;
      this.model = about.training.model;
      this.ask();
      if (about.training.settings) this.follow();
    } catch (error) {
      this.failed(error);
    }
  }

  private fields({ own, data, defaults }: About): void {
    const field = (name: string, input: HTMLElement): HTMLElement => {
      put(input, "id", `live-${name}`);
      put(input, "name", name);
      return h("div", { class: name === "network" ? "control wide" : "control" },
        h("div", { class: "head" }, h("label", { for: `live-${name}` }, this.words(name))), input);
    };
    const network = h("textarea", { rows: 2, spellcheck: "false", autocomplete: "off", maxlength: 4000 });
    network.value = this.name = own ? own.name : String(defaults.network);
    this.given = own ? "own" : this.name;
    const choice = (values: string[], value: string): HTMLSelectElement =>
      h("select", {}, ...values.map((one) => h("option", { value: one, selected: one === value }, one)));
    const epochs = h("input", { type: "number", min: 1, max: 1000, value: defaults.epochs });
    this.form.replaceChildren(
      field("network", network), field("data", choice(data, String(defaults.data))), field("epochs", epochs),
      field("optimizer", choice(["adam", "adadelta", "rmsprop", "sgd"], String(defaults.optimizer))),
      h("div", { class: "control" }, this.button),
    );
    this.state(false);
  }

  private state(running: boolean): void {
    this.running = running;
    tell(this.button, this.words(running ? "stop" : "start"));
  }

  private async press(): Promise<void> {
    const given = Object.fromEntries(new FormData(this.form)) as Record<string, string>;
    try {
      if (this.running) {
        await asked("api/train/stop", {});
        return;
      }
      this.say(this.words("starting"));
      const network = given.network!.trim();
      const known = network === this.name ? this.given : network;
      await asked("api/train", { ...given, network: known, epochs: Number(given.epochs) });
      this.follow();
    } catch (error) {
      this.failed(error);
    }
  }

  private failed(error: unknown): void {
    this.say(error instanceof Gone ? this.words("gone") : (error as Error).message);
    if (error instanceof Gone) this.state(false);
  }

  private say(words: string): void {
    tell(this.status, words);
  }

  private follow(): void {
    this.source?.close();
    this.curve.clear();
    const source = new EventSource(`api/train/events?token=${encodeURIComponent(served()!.token)}`);
    source.addEventListener("message", (message) => this.hear(JSON.parse(message.data) as Event));
    source.addEventListener("error", () => {
      if (this.running && source.readyState === EventSource.CLOSED) this.failed(new Gone());
      else if (this.running) this.say(this.words("gone"));
    });
    this.source = source;
  }

  private hear(event: Event): void {
    const { epochs, batches } = this;
    if (event.event === "started") {
      this.state(true);
      this.result.hidden = true;
      tell(this.command, event.command!);
    } else if (event.event === "begin") {
      [this.epochs, this.batches] = [event.epochs!, event.batches!];
      this.result.hidden = false;
      const rows: [string, number[][]][] = [[this.words("given"), event.shown!.images]];
      if (event.made) rows.push([this.words("made"), event.made]);
      this.images.show(this.words("images"), event.shown!.shape, rows);
      this.say(this.words("begun", { batches: this.batches }));
    } else if (event.event === "batch") {
      this.say(this.words("batch", { batch: event.batch!, batches, loss: text(event.loss!), epoch: this.curve.count + 1, epochs }));
      this.curve.now(event.batch! / batches, event.loss!);
    } else if (event.event === "epoch") this.epoch(event);
    else this.end(event);
  }

  private epoch({ epoch, logs, made }: Event): void {
    const { epochs } = this;
    this.curve.add(logs!);
    if (made) this.images.update(1, made);
    const told = { epoch: epoch!, epochs, loss: text(logs!.loss!), val: text(logs!.val_loss ?? NaN) };
    this.say(this.words("epoch", told));
    this.model = true;
    this.ask();
  }

  private end(event: Event): void {
    this.source?.close();
    this.state(false);
    const key = { end: "ended", stopped: "stopped" }[event.event];
    this.say(key ? this.words(key, { epochs: this.curve.count }) : event.why ?? "");
    this.page.announce(this.status.textContent ?? "");
  }

  /** The drawing through the user's run and through what is trained here, a little after it has come to rest. */
  private ask(): void {
    clearTimeout(this.timer);
    if (!this.drawn) return;
    this.timer = window.setTimeout(() => {
      if (this.own) void this.put("own");
      if (this.model) void this.put("live");
    }, WAIT_MS);
  }

  private async put(of: "own" | "live"): Promise<void> {
    const { drawn } = this;
    const pictures = this.through.get(of)!;
    try {
      const found = await asked<Through>("api/reconstruct", { drawn, of });
      if (drawn !== this.drawn) return;
      const rows: [string, number[][]][] = [[this.words("given"), [found.input]], [this.words("made"), [found.output]]];
      pictures.show(this.words(`through.${of}`, { mse: text(found.mse) }), found.shape, rows);
    } catch (error) {
      if (error instanceof Gone) this.failed(error);
      else pictures.say((error as Error).message);
    }
  }
}
