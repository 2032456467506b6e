// what a model says of a sample → bars, a large word or number, and a sentence.

const ROWS = 10;     // of a model with more classes the likeliest are shown
const HOLDS = 0.5;   // a label's probability from which on it holds

export class Answer {
  constructor(bars, digit, verdict) {
    this.bars = bars;
    this.digit = digit;
    this.verdict = verdict;
    this.rows = [];
  }

  /** Rows for what a model {task, classes, targets} may say, all at nothing. */
  expect({ task = "classes", classes = [], targets = [] }) {
    this.task = task;
    this.names = task === "classes" ? classes : targets;
    this.many = task === "classes" && classes.length > ROWS;
    this.bars.classList.toggle("named", this.names.some((name) => name.length > 2));
    this.bars.classList.toggle("plain", task === "values");
    this.bars.setAttribute("aria-label", { classes: "Probability of each class", labels: "Probability of each label" }[task] ?? "Values");
    this.bars.replaceChildren();
    const rows = this.many ? this.names.slice(0, ROWS) : task === "values" && this.names.length < 2 ? [] : this.names;
    this.rows = rows.map((name) => {
      const row = document.createElement("li");
      row.innerHTML = '<span class="name"></span><span class="track"><span class="fill"></span></span><span class="value"></span>';
      row.querySelector(".name").textContent = row.querySelector(".name").title = name;
      this.bars.append(row);
      return row;
    });
    this.clear(task === "classes" ? "I am looking." : "Ask me.");
  }

  clear(words) {
    for (const row of this.rows) {
      row.classList.remove("best");
      row.querySelector(".fill").style.setProperty("--p", 0);
      row.querySelector(".value").textContent = "–";
    }
    this.large("?");
    this.digit.className = "digit";
    this.digit.style.opacity = "";
    this.say(words);
  }

  say(words) {
    if (this.verdict.textContent !== words) this.verdict.textContent = words;
  }

  /** `final`: the pen is up, so the sentence may change too. */
  show(reply, final) {
    if (this.task === "values") this.showValues(reply);
    else if (this.task === "labels") this.showLabels(reply);
    else if (this.task === "reconstruct") this.showScore(reply);
    else if (reply.probabilities) this.showClasses(reply.probabilities, final);
    else this.showClass(reply);
  }

  /** The word or number that stands large, as sure as `sure` says. */
  large(words, sure = 1) {
    this.digit.textContent = this.digit.title = words;
    this.digit.className = `digit${words.length > 3 ? " long" : ""}${sure > 0.9 ? " sure" : ""}`;
    this.digit.style.opacity = (0.3 + 0.7 * sure).toFixed(2);
  }

  /** Shares of 1 as bars; `best` says which of them stand out. */
  fill(shares, order, best) {
    order.forEach((index, i) => {
      const row = this.rows[i];
      row.classList.toggle("best", best(index));
      row.querySelector(".name").textContent = row.querySelector(".name").title = this.names[index];
      row.querySelector(".fill").style.setProperty("--p", shares[index]);
      row.querySelector(".value").textContent = `${(100 * shares[index]).toFixed(1)} %`;
    });
  }

  showClasses(probabilities, final) {
    const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
    const [first, second = first] = order, sure = probabilities[first];
    this.fill(probabilities, this.many ? order.slice(0, ROWS) : probabilities.map((_, i) => i), (index) => index === first && sure > 0);
    const name = this.names[first], other = this.names[second];
    this.large(name, sure);
    if (!final) return;
    if (sure > 0.99) this.say(`That is ${article(name)}. No doubt about it.`);
    else if (sure > 0.9) this.say(`That is ${article(name)}.`);
    else if (sure > 0.6) this.say(`I would say ${article(name)}, though it could be ${article(other)}.`);
    else this.say(`Hard to tell: ${article(name)}? ${capital(article(other))}?`);
  }

  /** A model whose outputs are no probabilities, or one output for all classes: the class that is nearest to it. */
  showClass(reply) {
    const value = reply.value ?? reply.outputs[reply.label];
    this.clear(`That is ${article(reply.class)}: the output is ${short(value)}.`);
    this.large(reply.class);
  }

  showLabels({ labels, probabilities }) {
    this.fill(probabilities, probabilities.map((_, i) => i), (index) => probabilities[index] >= HOLDS);
    this.large(labels.length === 0 ? "none" : labels.length === 1 ? labels[0] : `${labels.length} labels`);
    this.say(labels.length === 0 ? "None of them holds." : `${capital(list(labels))} ${labels.length === 1 ? "holds" : "hold"}.`);
  }

  showValues({ values, names }) {
    this.rows.forEach((row, i) => { row.querySelector(".value").textContent = short(values[i]); });
    this.large(short(values[0]));
    this.say(values.length === 1 ? `That makes ${names[0] ?? "it"} ${short(values[0])}.` : `${capital(names[0] ?? "the first")} first, the others below.`);
  }

  showScore({ score }) {
    this.large(short(score));
    this.say("So far off is what I give back: the larger, the more unusual.");
  }
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);
const list = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);
/** Five digits at most, without zeros that say nothing. */
const short = (number) => String(Number(number.toPrecision(5)));
/** "a 7", "an 8"; names of other classes stand for themselves. */
const article = (name) => (/^\d$/.test(name) ? `${name === "8" ? "an" : "a"} ${name}` : name);
