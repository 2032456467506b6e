// a drawing → 28 × 28 bytes as MNIST was made: the ink cut out, scaled into 20 × 20, its centre of mass in the middle.
// LeCun et al. 1998, section III.A; src/data/resample.cpp does the same on the server for pictures of other sizes.

/** The value of each cell of a grid of rows × columns laid over the box, by the area its pixels cover. */
export function averages(gray, side, box, rows, columns) {
  const across = shares(box.left, box.right, columns), down = shares(box.top, box.bottom, rows);
  const cells = new Float32Array(rows * columns);
  for (let r = 0; r < rows; ++r)
    for (let c = 0; c < columns; ++c) {
      let sum = 0, area = 0;
      for (const [y, high] of down[r])
        for (const [x, wide] of across[c]) {
          sum += gray[y * side + x] * high * wide;
          area += high * wide;
        }
      cells[r * columns + c] = area > 0 ? sum / area : 0;
    }
  return cells;
}

/** For each of `count` equal pieces of [from, to): the whole pixels it touches, and how much of each. */
function shares(from, to, count) {
  const pieces = [];
  for (let i = 0; i < count; ++i) {
    const begin = from + (to - from) * i / count, end = from + (to - from) * (i + 1) / count;
    const piece = [];
    for (let pixel = Math.floor(begin); pixel < end; ++pixel) {
      const share = Math.min(end, pixel + 1) - Math.max(begin, pixel);
      if (share > 1e-9) piece.push([pixel, share]);
    }
    pieces.push(piece);
  }
  return pieces;
}

/** The smallest box around everything brighter than a trace, or null. */
export function inkBox(gray, side) {
  let left = side, right = 0, top = side, bottom = 0;
  for (let y = 0; y < side; ++y)
    for (let x = 0; x < side; ++x)
      if (gray[y * side + x] > 25) {
        left = Math.min(left, x);
        right = Math.max(right, x + 1);
        top = Math.min(top, y);
        bottom = Math.max(bottom, y + 1);
      }
  return left < right ? { left, right, top, bottom } : null;
}

export function asMnist({ gray, side }) {
  const out = new Uint8Array(28 * 28);
  const box = inkBox(gray, side);
  if (!box) return out;
  const width = box.right - box.left, height = box.bottom - box.top, scale = 20 / Math.max(width, height);
  const columns = Math.max(1, Math.round(width * scale)), rows = Math.max(1, Math.round(height * scale));
  const small = averages(gray, side, box, rows, columns);
  let mass = 0, sumX = 0, sumY = 0;
  for (let r = 0; r < rows; ++r)
    for (let c = 0; c < columns; ++c) {
      const value = small[r * columns + c];
      mass += value;
      sumX += value * (c + 0.5);
      sumY += value * (r + 0.5);
    }
  const clamp = (x, high) => Math.min(high, Math.max(0, Math.round(x)));
  const left = clamp(14 - sumX / mass, 28 - columns), top = clamp(14 - sumY / mass, 28 - rows);
  for (let r = 0; r < rows; ++r)
    for (let c = 0; c < columns; ++c) out[(top + r) * 28 + left + c] = Math.round(small[r * columns + c]);
  return out;
}

/** The whole drawing as height × width bytes for models of other pictures, repeated for each channel. */
export function asPicture({ gray, side }, [channels, height, width]) {
  const cells = averages(gray, side, { left: 0, right: side, top: 0, bottom: side }, height, width);
  const out = new Uint8Array(channels * height * width);
  for (let i = 0; i < cells.length; ++i) out.fill(Math.round(cells[i]), i * channels, (i + 1) * channels);
  return out;
}
