// a sample → what the server makes of it: one request at a time, the newest sample next, and how long each took.
import { call } from "./call.js";

export class Asker {
  constructor(answered, failed) {
    this.answered = answered;
    this.failed = failed;
    this.times = [];  // milliseconds of the last 60
    this.busy = false;
    this.next = null;
  }

  /** `layers`: how many of the first layers to show; 0 asks for probabilities alone. */
  ask(model, body, layers) {
    this.next = { model, body, layers: Math.max(layers, this.next?.layers ?? 0) };
    if (!this.busy) this.run();
  }

  async run() {
    this.busy = true;
    while (this.next) {
      const { model, body, layers } = this.next;
      this.next = null;
      const start = performance.now();
      try {
        const answer = await call(`soma/models/${encodeURIComponent(model)}/activations?layers=${layers}`, { method: "POST", body, headers: typeof body === "string" ? { "Content-Type": "application/json" } : {} });
        this.times = [...this.times, performance.now() - start].slice(-60);
        this.answered(answer, this.times);
      } catch (error) {
        this.failed(error);
      }
    }
    this.busy = false;
  }
}
