/** Where the page begins. */

import { provide } from "../network.ts";
import { Lab } from "./app.ts";
import { h } from "./dom.ts";
import { asksForOwn, takeOwn } from "./own.ts";
import { provideWords } from "./words.ts";

provideWords(JSON.parse(document.getElementById("strings")!.textContent!));
provide(JSON.parse(document.getElementById("autoencoder")!.textContent!));
const probe = h("span", { hidden: true });
document.body.append(probe);
const start = (): void => new Lab(document.getElementById("lab")!, probe).start();
const own = takeOwn().catch(() => undefined);
if (asksForOwn(location.hash)) void own.then(start);
else start();
