// the page: what is drawn goes to the server while it is drawn; what comes back is shown.
import { Answer } from "./answer.js";
import { Asker } from "./ask.js";
import { useToken } from "./call.js";
import { milliseconds, spark } from "./charts.js";
import { commands, showCommands } from "./examples.js";
import { rowOf, showFields } from "./fields.js";
import { Ink } from "./ink.js";
import { showMaps } from "./maps.js";
import { asMnist, asPicture } from "./mnist.js";
import { Status } from "./status.js";

const LAYERS = 3;       // as many as fit a screen; the server names a layer with what is fused into it once
const MAPS_EVERY = 150; // ms: feature maps are large, probabilities are not

const element = (id) => document.getElementById(id);
const answer = new Answer(element("bars"), element("digit"), element("verdict"));
answer.expect({ classes: [..."0123456789"] });

let model = null;  // {name, input, classes, …} of the status
let alone = true;  // no other model is served: POST / is this one
let final = true;  // the pen is up
let mapsAt = 0;
let problems = {};

function tell(who, error) {
  if (error?.status === 401) {
    element("locked").hidden = false;
    error = null;
  }
  problems[who] = error instanceof TypeError ? "The server does not answer; I keep trying" : error?.message;
  const words = Object.values(problems).find(Boolean);
  element("problem").hidden = !words;
  element("problem").textContent = words ? `${words}.` : "";
}

const asker = new Asker((reply, times) => {
  tell("asking", null);
  if (reply.layers?.length > 0) showMaps(element("maps"), reply.layers);
  if (ink.empty && isPicture()) return;
  answer.show(reply, final);
  element("took").textContent = milliseconds(times[times.length - 1]);
  element("median").textContent = milliseconds([...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]);
  spark(element("latencies"), times);
}, (error) => tell("asking", error));

const isGraph = () => model?.inputs !== undefined;  // takes tensors, which nobody draws or types
const isPicture = () => model?.input?.length === 3;
const isMnist = () => model?.input?.join() === "1,28,28";

/** "x (FP32) and k (INT64)". */
function listed(tensors) {
  return new Intl.ListFormat("en").format(tensors.map(({ name, datatype }) => `${name} (${datatype})`));
}

function sample() {
  if (isGraph()) return null;
  if (!isPicture()) return rowOf(element("fields"), model).row ?? "";
  return isMnist() ? asMnist(ink.pixels({ sized: true })) : asPicture(ink.pixels(), model.input);
}

function showSeen(bytes) {
  const [channels, height, width] = model.input, canvas = element("seen");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; ++i)
    image.data.set([bytes[i * channels], bytes[i * channels], bytes[i * channels], 255], 4 * i);
  context.putImageData(image, 0, 0);
}

let drawn = false;
const ink = new Ink(element("pad"), (ended) => {
  final = ended;
  element("undo").disabled = element("clear").disabled = !ink.touched;
  element("invitation").classList.toggle("gone", ink.touched);
  if (drawn && !ended) return;
  drawn = true;
  requestAnimationFrame(() => {
    drawn = false;
    send();
  });
});

function send() {
  if (!model || !isPicture()) return;
  const bytes = sample();
  showSeen(bytes);
  if (ink.empty) {
    answer.clear("I am looking.");
    asker.ask(model.name, bytes, LAYERS);  // what the layers make of nothing: their pictures have their places from the start
    return;
  }
  const now = performance.now(), maps = final || now - mapsAt > MAPS_EVERY;
  if (maps) mapsAt = now;
  asker.ask(model.name, bytes, maps ? LAYERS : 0);
  if (final) exampleCommands();
}

async function exampleCommands() {
  if (model) showCommands(element("examples"), await commands(location.origin, model, sample(), alone));
}

function choose(chosen) {
  tell("asking", null);
  const other = chosen.name !== model?.name || chosen.version !== model?.version;
  model = chosen;
  if (other) answer.expect(model);
  document.querySelector(".frame").hidden = document.querySelector(".tools").hidden = element("keys").hidden = !isPicture();
  element("numbers").hidden = isPicture() || isGraph();
  for (const id of ["digit", "bars", "latency", "maps-section"]) element(id).hidden = isGraph();
  element("title").textContent = isMnist() ? "Draw a digit." : isPicture() ? "Draw something." : isGraph() ? "Send it tensors." : "Ask it something.";
  if (isGraph()) answer.say(`${model.name} takes ${listed(model.inputs)} and gives ${listed(model.outputs)}.`);
  else if (!isPicture() && other) showFields(element("fields"), model);
  exampleCommands();
  send();
}

const status = new Status((models) => {
  element("locked").hidden = true;
  const ready = models.filter((each) => each.state === "READY");
  const select = element("models");
  select.replaceChildren(...ready.map((each) => new Option(each.name)));
  element("choice").hidden = ready.length < 2;
  const same = ready.find((each) => each.name === model?.name) ?? ready[0];
  alone = models.length === 1;
  if (!same) {
    answer.say("No model is ready yet.");
    return;
  }
  select.value = same.name;
  choose(same);
}, (error) => tell("status", error));

element("models").addEventListener("change", (event) => {
  choose(status.latest.models.find((each) => each.name === event.target.value));
});
element("locked").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(element("token").value);
  status.poll();
});
element("erase").addEventListener("click", (event) => {
  ink.setErasing(!ink.erasing);
  event.currentTarget.setAttribute("aria-pressed", ink.erasing);
});
element("undo").addEventListener("click", () => ink.undo());
element("clear").addEventListener("click", () => ink.clear());
element("numbers").addEventListener("submit", (event) => {
  event.preventDefault();
  const { row, problem } = rowOf(element("fields"), model);
  if (problem) return tell("asking", new Error(problem));
  final = true;
  asker.ask(model.name, row, LAYERS);
  exampleCommands();
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => ink.show());
