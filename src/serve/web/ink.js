// pointer and keys → strokes on a canvas, white ink on black, and what can be taken back.

const SIDE = 280;      // the drawing's own units, ten to a pixel of MNIST
const PEN = 22, RUBBER = 44;

export class Ink {
  constructor(canvas, changed) {
    this.canvas = canvas;
    this.changed = changed;  // called with true when a stroke has ended
    this.strokes = [];
    this.erasing = false;
    this.cursor = null;  // where the keyboard's pen stands
    this.lowered = false;
    this.paper = document.createElement("canvas");
    this.paper.width = this.paper.height = SIDE;
    this.ink = this.paper.getContext("2d", { willReadFrequently: true });
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.listen();
  }

  get empty() { return this.strokes.every((stroke) => stroke.erases); }
  get touched() { return this.strokes.length > 0; }

  /** Brightness of each of 280 × 280 places, 0 to 255. `sized`: the drawing made as large as it fits while the pen keeps its
      width, so that a small digit is no blot once it is scaled to MNIST's size. */
  pixels({ sized = false } = {}) {
    const { ink } = this;
    ink.setTransform(1, 0, 0, 1, 0, 0);
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, SIDE, SIDE);
    const zoom = sized ? this.zoom() : { scale: 1, x: 0, y: 0 };
    for (const { points, erases } of this.strokes)
      this.trace(ink, { points: points.map(({ x, y }) => ({ x: (x - zoom.x) * zoom.scale, y: (y - zoom.y) * zoom.scale })), erases },
                 "#fff", "#000", erases ? zoom.scale : 1);
    const { data } = ink.getImageData(0, 0, SIDE, SIDE);
    const gray = new Uint8Array(SIDE * SIDE);
    for (let i = 0; i < gray.length; ++i) gray[i] = data[4 * i];
    return { gray, side: SIDE };
  }

  zoom() {
    const points = this.strokes.filter((stroke) => !stroke.erases).flatMap((stroke) => stroke.points);
    const xs = points.map((point) => point.x), ys = points.map((point) => point.y);
    const range = (values) => values.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
    const [left, right] = range(xs), [top, bottom] = range(ys), margin = PEN;
    const size = Math.max(right - left, bottom - top, 20);
    const scale = Math.min(4, (SIDE - 2 * margin) / size);
    return { scale, x: left - margin / scale, y: top - margin / scale };
  }

  clear() { this.strokes = []; this.lowered = false; this.redraw(true); }
  undo() { this.strokes.pop(); this.lowered = false; this.redraw(true); }
  setErasing(on) { this.erasing = on; this.canvas.classList.toggle("erasing", on); }

  redraw(ended) {
    this.show();
    this.changed(ended);
  }

  /** One stroke as a smooth line through the middles between its points. */
  trace(context, { points, erases }, pen, paper, widen = 1) {
    context.strokeStyle = context.fillStyle = erases ? paper : pen;
    context.lineWidth = (erases ? RUBBER : PEN) * widen;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    const [first] = points;
    if (points.length === 1) {
      context.arc(first.x, first.y, context.lineWidth / 2, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    context.moveTo(first.x, first.y);
    for (let i = 1; i + 1 < points.length; ++i)
      context.quadraticCurveTo(points[i].x, points[i].y, (points[i].x + points[i + 1].x) / 2, (points[i].y + points[i + 1].y) / 2);
    const last = points[points.length - 1];
    context.lineTo(last.x, last.y);
    context.stroke();
  }

  fit() {
    const size = Math.max(1, Math.round(this.canvas.clientWidth * Math.min(3, window.devicePixelRatio || 1)));
    if (this.canvas.width === size) return;
    this.canvas.width = this.canvas.height = size;
    this.show();
  }

  show() {
    const context = this.canvas.getContext("2d"), scale = this.canvas.width / SIDE;
    const colours = getComputedStyle(this.canvas);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = colours.getPropertyValue("--pad");
    context.fillRect(0, 0, SIDE, SIDE);
    for (const stroke of this.strokes) this.trace(context, stroke, colours.getPropertyValue("--pen"), colours.getPropertyValue("--pad"));
    if (!this.cursor || document.activeElement !== this.canvas) return;
    context.beginPath();
    context.arc(this.cursor.x, this.cursor.y, (this.erasing ? RUBBER : PEN) / 2, 0, 2 * Math.PI);
    context.lineWidth = this.lowered ? 4 : 2;
    context.strokeStyle = "#ffab57";
    context.stroke();
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) / box.width * SIDE, y: (event.clientY - box.top) / box.height * SIDE };
  }

  begin(point, erases) {
    this.strokes.push({ points: [point], erases });
    this.redraw(false);
  }

  extend(points) {
    this.strokes[this.strokes.length - 1].points.push(...points);
    this.redraw(false);
  }

  listen() {
    const { canvas } = this;
    let pointer = null;
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("pointerdown", (event) => {
      if (pointer !== null || ![0, 2, 5].includes(event.button)) return;
      pointer = event.pointerId;
      canvas.setPointerCapture(pointer);
      this.cursor = null;
      this.begin(this.place(event), this.erasing || event.button !== 0);  // 2: right, 5: the pen's other end
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== pointer) return;
      const events = event.getCoalescedEvents?.() ?? [];
      this.extend((events.length > 0 ? events : [event]).map((each) => this.place(each)));
    });
    for (const end of ["pointerup", "pointercancel"])
      canvas.addEventListener(end, (event) => {
        if (event.pointerId !== pointer) return;
        pointer = null;
        this.changed(true);
      });
    canvas.addEventListener("blur", () => { this.lowered = false; this.show(); });
    canvas.addEventListener("focus", () => this.show());
    canvas.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 2 : 8;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const move = moves[event.key];
    if (move) {
      this.cursor ??= { x: SIDE / 2, y: SIDE / 2 };
      const within = (x) => Math.min(SIDE - 4, Math.max(4, x));
      this.cursor = { x: within(this.cursor.x + move[0]), y: within(this.cursor.y + move[1]) };
      if (this.lowered) this.extend([this.cursor]);
      else this.show();
    } else if (event.key === " ") {
      this.cursor ??= { x: SIDE / 2, y: SIDE / 2 };
      this.lowered = !this.lowered;
      if (this.lowered) this.begin(this.cursor, this.erasing);
      else { this.show(); this.changed(true); }
    } else if (event.key === "e" || event.key === "E") {
      document.getElementById("erase").click();
    } else if (event.key === "z" || event.key === "Z") {
      if (this.touched) this.undo();
    } else if (["c", "C", "Delete", "Backspace"].includes(event.key)) {
      this.clear();
    } else {
      return;
    }
    event.preventDefault();
  }
}
