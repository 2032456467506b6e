// the drawing as it is → commands that send the same from a terminal.

function toBase64(bytes) { return btoa(String.fromCharCode(...bytes)); }

async function png(bytes, width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < bytes.length; ++i) image.data.set([bytes[i], bytes[i], bytes[i], 255], 4 * i);
  context.putImageData(image, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new Uint8Array(await blob.arrayBuffer());
}

/** A tensor of one row, where its file leaves the number free. */
function zeros({ name, datatype, shape }) {
  const extents = shape.map((extent) => Math.max(extent, 1)), nothing = { BYTES: "", BOOL: false }[datatype] ?? 0;
  return { name, datatype, shape: extents, data: Array(extents.reduce((a, b) => a * b, 1)).fill(nothing) };
}

/** [{about, command}] for one model and one sample (bytes of a gray picture, or text). `alone`: POST / asks this model. */
export async function commands(origin, model, sample, alone) {
  const name = encodeURIComponent(model.name);
  const plain = alone ? `${origin}/` : `'${origin}/soma/models/${name}/activations?layers=0'`;
  const list = [];
  if (model.inputs) {
    list.push({ about: "Zeros, by the Open Inference Protocol", command: `curl -d '${JSON.stringify({ inputs: model.inputs.map(zeros) })}' ${origin}/v2/models/${name}/infer` });
  } else if (typeof sample === "string") {
    list.push({ about: "This sample", command: `curl -d '${sample.replaceAll("'", "'\\''")}' ${plain}` });
  } else if (model.input[0] === 1) {
    const [, height, width] = model.input;
    const file = toBase64(await png(sample, width, height));
    list.push({ about: "Your drawing, as a PNG", command: `echo ${file} | base64 -d | curl --data-binary @- ${plain}` });
    const request = { inputs: [{ name: "input", shape: [1, ...model.input], datatype: "FP32", data: [...sample] }],
                      outputs: [{ name: "output", parameters: { classification: 3 } }] };
    list.push({ about: "Your drawing, by the Open Inference Protocol: the three likeliest classes",
                command: `curl -d '${JSON.stringify(request)}' ${origin}/v2/models/${name}/infer` });
  }
  list.push({ about: "What the model takes and gives", command: `curl ${origin}/v2/models/${name}` });
  list.push({ about: "The machine, its load and its models", command: `curl ${origin}/soma/status` });
  list.push({ about: "The same for Prometheus", command: `curl ${origin}/metrics` });
  return list;
}

/** Keeps the elements; only what the commands say changes. */
export function showCommands(place, list) {
  while (place.children.length > list.length) place.lastChild.remove();
  list.forEach(({ about, command }, i) => {
    const example = place.children[i] ?? place.appendChild(blank());
    example.querySelector("p").textContent = about;
    example.querySelector("pre").textContent = command;
    example.querySelector("pre").setAttribute("aria-label", about);
    example.querySelector("button").setAttribute("aria-label", `Copy: ${about}`);
  });
}

function blank() {
  const example = document.createElement("div");
  example.className = "example";
  example.innerHTML = '<p></p><button type="button">Copy</button><pre tabindex="0" role="region"></pre>';
  const button = example.querySelector("button");
  button.addEventListener("click", async () => {
    const command = example.querySelector("pre");
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);  // no clipboard without https: the words are ready for Ctrl-C
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  });
  return example;
}
