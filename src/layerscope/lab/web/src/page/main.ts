/** Where the page begins. */

import trained from "../../../autoencoder.json";
import { provide, type Kept } from "../network.ts";
import { Lab } from "./app.ts";
import { h } from "./dom.ts";
import { asksForOwn, takeOwn } from "./own.ts";

provide(trained as unknown as Kept);
const probe = h("span", { class: "probe", hidden: true });
document.body.append(probe);
const start = (): void => new Lab(document.getElementById("lab")!, probe).start();
const own = takeOwn().catch(() => undefined);
if (asksForOwn(location.hash)) void own.then(start);
else start();
