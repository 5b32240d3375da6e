// Bundles the page's script and, for the tests, the twin; both are the same on every machine.
import { build } from "esbuild";

const common = { bundle: true, charset: "utf8", legalComments: "none", logLevel: "warning", target: "es2022" };
await build({ ...common, entryPoints: ["src/twin.ts"], outfile: "build/twin.mjs", platform: "node", format: "esm" });
