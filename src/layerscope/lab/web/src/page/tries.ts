/** Questions that one click answers: for each screen, what to ask and the state that shows the answer. */

export const TRIES: Record<string, [key: string, hash: string][]> = {
  autoencoder: [
    ["page.try.autoencoder.moved", "#lab=autoencoder&dx=5"],
    ["page.try.autoencoder.unpool", "#lab=autoencoder&decoder=unpool&layer=7"],
    ["page.try.autoencoder.code", "#lab=autoencoder&layer=6"],
    ["page.try.autoencoder.strange", "#lab=autoencoder&fit=off&drawn=vvqBGJKKJGBgDL2LDdHyNLLNyHbJxHBSBHxJZHwLBWBLwHXDwLaLwDWLwBQCUCQBwLVBwHQJPJSJPJQHwBUGwBQJPJSJPJQBwGUJPNSCUCSNPJUKPLeLPKUKPLeLPKUJPNRDWGFQNPJUGwBANPGUGwBBwGUBwHAMwFSFwMAHwBVLwBDxMIIMxDBwLWDwLADN0NDALwDXHwLBAGLOOLGABLwHZJxHBSBHxJbHyNLLNyHdDL2LDgBGJKKJGB"],
  ],
  convt: [
    ["page.try.convt.op", "#lab=convt&n=3&p=1&op=1&cell=5,5"],
    ["page.try.convt.p", "#lab=convt&n=3&p=2&op=0&view=stamp"],
    ["page.try.convt.overlap", "#lab=convt&n=4&p=0&op=0&x=ones&w=ones&view=stamp"],
    ["page.try.convt.gap", "#lab=convt&n=4&k=2&s=3&p=0&op=0&view=stamp"],
  ],
  pool: [
    ["page.try.pool.overlap", "#lab=pool&n=7&k=3&s=2"],
    ["page.try.pool.same", "#lab=pool&n=5&k=3&s=2&pad=same"],
    ["page.try.pool.shift", "#lab=pool&shift=1"],
  ],
};
