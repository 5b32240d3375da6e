// Bundles the page (src/layerscope/lab/page, which is committed) and, for the tests, the twin; both are the same bytes
// on every machine. One offline file has all inside; its policy allows exactly its own script and style, and no request.
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";

const common = { bundle: true, charset: "utf8", legalComments: "none", logLevel: "warning", target: "es2022" };

// In the page JSON files are blocks of text beside the script, so that the script is code alone.
const BLOCKS = ["strings", "settings", "layers", "autoencoder", "../report/particles"];
const blocks = {
  name: "blocks",
  setup: (made) => made.onLoad({ filter: /\.json$/ }, ({ path }) => ({
    contents: `export default JSON.parse(document.getElementById(${JSON.stringify(basename(path, ".json"))}).textContent)`,
  })),
};

// node build.mjs: all. node build.mjs twin [FILE]: the tests' twin alone. node build.mjs FOLDER: the page, into that folder.
const asked = process.argv[2];
if (!asked || asked === "twin") await twin();
if (asked !== "twin") await page(asked ?? "../page");

async function twin() {
  const outfile = process.argv[3] ?? "build/twin.mjs";
  await build({ ...common, entryPoints: ["src/twin.ts"], outfile, platform: "node", format: "esm" });
}

async function page(target) {
  const minified = { ...common, minify: !process.env.PLAIN, write: false, plugins: [blocks] };
  const text = async (options) => (await build({ ...minified, ...options })).outputFiles[0].text.trimEnd() + "\n";
  const script = (await text({ entryPoints: ["src/page/main.ts"], format: "iife" })).replaceAll("</script", "<\\/script");
  const style = await text({ entryPoints: ["src/page.css"], target: "chrome123" });
  const frame = await readFile("page.html", "utf8");
  const block = async (name) => {
    const json = JSON.stringify(JSON.parse(await readFile(`../${name}.json`, "utf8"))).replaceAll("<", "\\u003c");
    return `<script type="application/json" id="${basename(name)}">${json}</script>`;
  };
  const data = (await Promise.all(BLOCKS.map(block))).join("\n");

  const hash = (content) => `'sha256-${createHash("sha256").update(content).digest("base64")}'`;
  const policy = `default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; img-src data:; ` +
    "connect-src 'none'; base-uri 'none'; form-action 'none'";
  const filled = (parts) => frame.replace(/<!--(\w+)-->\n/g, (_, name) => (parts[name] ? parts[name] + "\n" : ""));

  await mkdir(target, { recursive: true });
  await writeFile(`${target}/lab.js`, script);
  await writeFile(`${target}/lab.css`, style);
  await writeFile(`${target}/index.html`, filled({
    style: '<link rel="stylesheet" href="lab.css">', data, script: '<script src="lab.js"></script>',
  }));
  await writeFile(`${target}/offline.html`, filled({
    policy: `<meta http-equiv="Content-Security-Policy" content="${policy}">`,
    style: `<style>${style}</style>`, data, script: `<script>${script}</script>`,
  }));
}
