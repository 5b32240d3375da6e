/** The screens in the order in which data meets them. */

import { SCENES } from "../scenes/index.ts";

const ORDER = ["journey", "dense", "conv", "pool", "upsampling", "convt", "checkerboard", "field", "autoencoder"];

/** Those that there are; one that is not in the order comes last. */
export function screens(): string[] {
  const there = Object.keys(SCENES);
  return [...ORDER.filter((screen) => there.includes(screen)), ...there.filter((screen) => !ORDER.includes(screen))];
}
