// the activations of the first layers → one picture per channel, or a strip of units.

const LIMIT = 64;  // pictures of one layer

function colours() {
  const style = getComputedStyle(document.documentElement);
  const rgb = (name) => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).map((pair) => parseInt(pair, 16));
  return { dark: rgb("--pad"), bright: [255, 179, 92], cold: [92, 160, 255] };
}

/** Values → pixels: nothing is dark, above 0 glows, below 0 is blue; `largest` is the brightest. */
function paint(canvas, values, width, height, largest, { dark, bright, cold }) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; ++i) {
    const share = i < values.length && largest > 0 ? Math.min(1, Math.abs(values[i]) / largest) : 0;
    const light = values[i] < 0 ? cold : bright;
    for (let c = 0; c < 3; ++c) image.data[4 * i + c] = dark[c] + (light[c] - dark[c]) * share;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const largestOf = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

function frame(layer, index) {
  const section = document.createElement("div");
  section.className = "layer";
  const title = document.createElement("h3"), what = document.createElement("small");
  const image = layer.shape.length === 3;
  const [channels, height, width] = layer.shape;
  title.textContent = layer.name;
  what.textContent = image ? `${channels} ${channels === 1 ? "map" : "maps"} of ${height} × ${width}` : `${layer.shape[0]} ${layer.shape[0] === 1 ? "unit" : "units"}`;
  title.append(what);
  const tiles = document.createElement("div");
  tiles.className = image ? "tiles" : "";
  for (let i = 0; i < (image ? Math.min(LIMIT, channels) : 1); ++i) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", image ? `${layer.name}, map ${i + 1}` : `${layer.name}, all units`);
    if (!image) canvas.className = "units";
    tiles.append(canvas);
  }
  section.append(title, tiles);
  section.dataset.index = index;
  return section;
}

const UNSEEN = ["flatten", "dropout", "alpha_dropout", "softmax", "log_softmax"];  // nothing new, or what the bars show

/** Shows them, keeping the elements while the network stays the same. */
export function showMaps(place, layers) {
  const shown = layers.filter((layer) => !UNSEEN.includes(layer.kind));
  const key = JSON.stringify(shown.map((layer) => [layer.name, layer.shape]));
  if (place.dataset.key !== key) {
    place.replaceChildren(...shown.map(frame));
    place.dataset.key = key;
  }
  const palette = colours();
  shown.forEach((layer, index) => {
    const canvases = place.children[index].querySelectorAll("canvas");
    if (layer.shape.length === 3) {
      const [, height, width] = layer.shape, area = height * width, most = largestOf(layer.values);
      canvases.forEach((canvas, i) => {
        const values = layer.values.slice(i * area, (i + 1) * area);
        // A map of its own brightness, but never so bright that a dead one shows its noise.
        paint(canvas, values, width, height, Math.max(largestOf(values), most / 4), palette);
      });
    } else {
      const columns = Math.min(layer.shape[0], 32);
      canvases[0].style.width = `min(100%, ${20 * columns}px)`;
      paint(canvases[0], layer.values, columns, Math.ceil(layer.shape[0] / columns), largestOf(layer.values), palette);
    }
  });
}
