/** Questions that one click answers: for each screen, what to ask and the state that shows the answer. */

const WRONG = encodeURIComponent("28x28x1 | conv 16 3 relu | maxpool 4 | conv 8 9 relu | flatten | dense 10");
const DOCUMENT = encodeURIComponent("28x28x1 | conv 16 3 same relu | maxpool 2 same | conv 8 3 same relu | maxpool 2 same | " +
  "conv 4 3 same relu | maxpool 2 same | conv 4 3 same relu | upsample 2 | conv 8 3 same relu | upsample 2 | " +
  "conv 16 3 relu | upsample 2 | conv 1 3 same sigmoid");

export const TRIES: Record<string, [key: string, hash: string][]> = {
  journey: [
    ["page.try.journey.fits", "#lab=journey&step=11"],
    ["page.try.journey.wrong", `#lab=journey&net=${WRONG}`],
  ],
  dense: [
    ["page.try.dense.condense", "#lab=dense"],
    ["page.try.dense.enrich", "#lab=dense&units=3&step=1"],
    ["page.try.dense.bias", "#lab=dense&bias=yes"],
  ],
  conv: [
    ["page.try.conv.same", "#lab=conv&n=6&k=3&p=1&cell=0,0"],
    ["page.try.conv.drop", "#lab=conv&n=6&k=3&s=2&p=0"],
    ["page.try.conv.weight", "#lab=conv&on=weight&cell=0,1"],
    ["page.try.conv.dilation", "#lab=conv&n=7&d=2&p=0"],
    ["page.try.conv.channels", "#lab=conv&n=4&c=3&f=2"],
  ],
  pool: [
    ["page.try.pool.overlap", "#lab=pool&n=7&k=3&s=2"],
    ["page.try.pool.same", "#lab=pool&n=5&k=3&s=2&pad=same"],
    ["page.try.pool.shift", "#lab=pool&shift=1"],
  ],
  upsampling: [
    ["page.try.upsampling.zeros", "#lab=upsampling&s=3"],
    ["page.try.upsampling.stale", "#lab=upsampling&edit=mirror"],
  ],
  convt: [
    ["page.try.convt.op", "#lab=convt&n=3&p=1&op=1&cell=5,5"],
    ["page.try.convt.p", "#lab=convt&n=3&p=2&op=0&view=stamp"],
    ["page.try.convt.overlap", "#lab=convt&n=4&p=0&op=0&x=ones&w=ones&view=stamp"],
    ["page.try.convt.gap", "#lab=convt&n=4&k=2&s=3&p=0&op=0&view=stamp"],
  ],
  checkerboard: [
    ["page.try.checkerboard.uneven", "#lab=checkerboard"],
    ["page.try.checkerboard.even", "#lab=checkerboard&k1=4"],
    ["page.try.checkerboard.two", "#lab=checkerboard&layers=2"],
    ["page.try.checkerboard.dilation", "#lab=checkerboard&k1=2&d=2"],
  ],
  field: [
    ["page.try.field.code", `#lab=field&net=${DOCUMENT}&layer=6&cell=1,1`],
    ["page.try.field.position", "#lab=field&cell=5,5"],
    ["page.try.field.forward", "#lab=field&mode=forward&layer=0&cell=5,5"],
  ],
  autoencoder: [
    ["page.try.autoencoder.moved", "#lab=autoencoder&dx=5"],
    ["page.try.autoencoder.unpool", "#lab=autoencoder&decoder=unpool&layer=7"],
    ["page.try.autoencoder.code", "#lab=autoencoder&layer=6"],
    ["page.try.autoencoder.strange", "#lab=autoencoder&fit=off&drawn=vvqBGJKKJGBgDL2LDdHyNLLNyHbJxHBSBHxJZHwLBWBLwHXDwLaLwDWLwBQCUCQBwLVBwHQJPJSJPJQHwBUGwBQJPJSJPJQBwGUJPNSCUCSNPJUKPLeLPKUKPLeLPKUJPNRDWGFQNPJUGwBANPGUGwBBwGUBwHAMwFSFwMAHwBVLwBDxMIIMxDBwLWDwLADN0NDALwDXHwLBAGLOOLGABLwHZJxHBSBHxJbHyNLLNyHdDL2LDgBGJKKJGB"],
  ],
};
