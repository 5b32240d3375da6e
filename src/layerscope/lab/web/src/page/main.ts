/** Where the page begins. */

import { Lab } from "./app.ts";
import { h } from "./dom.ts";

const probe = h("span", { hidden: true });
document.body.append(probe);
new Lab(document.getElementById("lab")!, probe).start();
