// /soma/status, once a second → the machine's name, its last minute, and its models.
import { call } from "./call.js";
import { bytes, spark } from "./charts.js";

const element = (id) => document.getElementById(id);

export class Status {
  constructor(modelsChanged, failed) {
    this.modelsChanged = modelsChanged;
    this.failed = failed;
    this.cpu = [];
    this.memory = [];
    this.rate = [];
    this.models = "";
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.poll(); });
    this.poll();
  }

  async poll() {
    clearTimeout(this.timer);
    if (document.hidden) return;
    try {
      this.latest = await call("soma/status", { cache: "no-store" });
      this.show(this.latest);
      this.failed(null);
    } catch (error) {
      this.failed(error);
    }
    this.timer = setTimeout(() => this.poll(), 1000);
  }

  show(status) {
    const push = (list, value) => { list.push(value ?? 0); if (list.length > 60) list.shift(); };
    push(this.cpu, status.cpu_percent);
    push(this.memory, status.memory_percent);
    push(this.rate, status.requests_per_second);
    element("version").textContent = status.version;
    element("cpu").textContent = `${Math.round(status.cpu_percent ?? 0)} %`;
    element("memory").textContent = `${Math.round(status.memory_percent ?? 0)} %`;
    const rate = status.requests_per_second ?? 0;
    element("rate").textContent = `${rate < 10 ? rate.toFixed(1) : Math.round(rate)} a second`;
    spark(element("cpu-chart"), this.cpu, { top: 100 });
    spark(element("memory-chart"), this.memory, { top: 100 });
    spark(element("rate-chart"), this.rate, { top: Math.max(10, ...this.rate) * 1.15 });
    const machine = element("machine"), name = document.createElement("b");
    name.textContent = status.machine;
    machine.replaceChildren(name, ` · ${status.target} · ${bytes(status.memory_total_bytes)} of memory, of which the server takes ` +
      `${bytes(status.process_memory_bytes)} · up for ${duration(status.uptime_seconds)}`);
    const models = JSON.stringify(status.models);
    if (models === this.models) return;
    this.models = models;
    element("model-rows").replaceChildren(...status.models.map(row));
    this.modelsChanged(status.models);
  }
}

const STATES = { READY: "answers", LOADING: "is being read", UNLOADING: "is leaving", UNAVAILABLE: "does not answer" };

/** What a model says, in two or three words. */
function answers(model) {
  const count = (list, one, many) => `${list.length} ${list.length === 1 ? one : many}`;
  if (model.inputs) return count(model.outputs, "tensor", "tensors");
  if (model.task === "classes") return count(model.classes, "class", "classes");
  if (model.task === "labels") return count(model.targets, "label", "labels");
  if (model.task === "values") return count(model.targets, "value", "values");
  return model.task === "reconstruct" ? "a score" : "";
}

function row(model) {
  const line = document.createElement("tr");
  const cells = [model.name, model.version, model.inputs ? model.inputs.map((each) => each.name).join(", ") : (model.input ?? []).join(" × "), answers(model),
                 model.parameters?.toLocaleString("en").replaceAll(",", "\u202f") ?? "", (STATES[model.state] ?? model.state) + (model.reason ? `: ${model.reason}` : "")];
  cells.forEach((words, i) => {
    const cell = document.createElement(i === 0 ? "th" : "td");
    if (i === 0) cell.scope = "row";
    if (i === 4) cell.className = "number";
    cell.textContent = words;
    line.append(cell);
  });
  return line;
}

function duration(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}
