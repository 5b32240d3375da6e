/** Questions that one click answers: for each screen, what to ask and the state that shows the answer. */

export const TRIES: Record<string, [key: string, hash: string][]> = {
  pool: [
    ["page.try.pool.overlap", "#lab=pool&n=7&k=3&s=2"],
    ["page.try.pool.same", "#lab=pool&n=5&k=3&s=2&pad=same"],
    ["page.try.pool.shift", "#lab=pool&shift=1"],
  ],
};
