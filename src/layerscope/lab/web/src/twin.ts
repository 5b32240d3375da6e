/** For the tests: hashes, one a line, on standard input; scenes, one JSON a line, on standard output. */

import { createInterface } from "node:readline";
import trained from "../../autoencoder.json";
import { provide, type Kept } from "./network.ts";
import { text } from "./numbers.ts";
import { type Text } from "./scene.ts";
import { sceneOf } from "./scenes/index.ts";
import { words } from "./page/words.ts";
import { spell } from "./state.ts";

provide(trained as unknown as Kept);

for await (const line of createInterface({ input: process.stdin })) {
  const asked = JSON.parse(line) as { hash?: string; number?: number; spell?: [string, Record<string, unknown>]; say?: [Text, string] };
  let answer: unknown;
  try {
    if (asked.number !== undefined) answer = text(asked.number);
    else if (asked.spell) answer = spell(...asked.spell);
    else if (asked.say) answer = words(...asked.say);
    else answer = sceneOf(asked.hash!);
  } catch (error) {
    answer = { refused: ((error as Error).cause as Text | undefined)?.key ?? String(error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
