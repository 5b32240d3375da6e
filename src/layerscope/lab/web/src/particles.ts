/** Endings that depend on the word before, Korean particles and English plurals: the twin of report/particles.py. */

import table from "../../../report/particles.json";

type End = "vowel" | "consonant" | "liquid";

const FORMS = table.forms as unknown as Record<string, [closed: string, open: string]>;
const MARKS = new RegExp(Object.keys(FORMS).map((mark) => mark.replace(/[()]/g, "\\$&")).join("|"), "g");
const [ASIDE, SILENT] = [new RegExp(table.aside), new RegExp(table.silent)];
const ENDS = (table.ends as [string, End][]).map(([pattern, end]): [RegExp, End] => [new RegExp(pattern), end]);
const PLURAL = /(?<![\d.,])(\d[\d.,]*)((?: [a-z]+){0,2}) ([A-Za-z-]+)\(s\)/g;
const [FIRST, FINALS, LIQUID] = ["가".charCodeAt(0), 28, 8];

export function settled(text: string): string {
  if (!text.includes("(")) return text;
  return text
    .replace(MARKS, (mark, at: number) => {
      const end = ending(text.slice(0, at));
      if (end === null) return mark;
      return FORMS[mark]![end === "vowel" || (end === "liquid" && table.liquid.includes(mark)) ? 1 : 0];
    })
    .replace(PLURAL, (_, number: string, between: string, noun: string) =>
      `${number}${between} ${noun}${number === "1" ? "" : "s"}`);
}

/** How the last word is read in Korean; null: nobody knows. */
export function ending(words: string): End | null {
  const word = words.replace(ASIDE, "").replace(SILENT, "");
  const last = word.slice(-1);
  if (last >= "가" && last <= "힣") {
    const final = (last.charCodeAt(0) - FIRST) % FINALS;
    return final === 0 ? "vowel" : final === LIQUID ? "liquid" : "consonant";
  }
  return ENDS.find(([pattern]) => pattern.test(word))?.[1] ?? null;
}
