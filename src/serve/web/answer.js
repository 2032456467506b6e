// probabilities → bars, a digit, and a sentence.

const ROWS = 10;  // of a model with more classes the likeliest are shown

export class Answer {
  constructor(bars, digit, verdict) {
    this.bars = bars;
    this.digit = digit;
    this.verdict = verdict;
    this.rows = [];
  }

  /** Rows for the classes of a model, all at nothing. */
  expect(classes) {
    this.classes = classes;
    this.many = classes.length > ROWS;
    this.bars.classList.toggle("named", classes.some((name) => name.length > 2));
    this.bars.replaceChildren();
    this.rows = classes.slice(0, ROWS).map((name) => {
      const row = document.createElement("li");
      row.innerHTML = '<span class="name"></span><span class="track"><span class="fill"></span></span><span class="value"></span>';
      row.querySelector(".name").textContent = name;
      this.bars.append(row);
      return row;
    });
    this.clear("I am looking.");
  }

  clear(words) {
    this.fill(this.classes.map(() => 0));
    for (const row of this.rows) row.querySelector(".value").textContent = "–";
    this.digit.textContent = "?";
    this.digit.className = "digit";
    this.digit.style.opacity = "";
    this.say(words);
  }

  say(words) {
    if (this.verdict.textContent !== words) this.verdict.textContent = words;
  }

  fill(probabilities) {
    let order = probabilities.map((_, i) => i);
    if (this.many) order = order.sort((a, b) => probabilities[b] - probabilities[a]).slice(0, ROWS);
    const best = probabilities.indexOf(Math.max(...probabilities));
    order.forEach((index, i) => {
      const row = this.rows[i], share = probabilities[index];
      row.classList.toggle("best", index === best && share > 0);
      row.querySelector(".name").textContent = this.classes[index];
      row.querySelector(".name").title = this.classes[index];
      row.querySelector(".fill").style.setProperty("--p", share);
      row.querySelector(".value").textContent = `${(100 * share).toFixed(1)} %`;
    });
  }

  /** `final`: the pen is up, so the sentence may change too. */
  show(probabilities, final) {
    this.fill(probabilities);
    const order = probabilities.map((p, i) => [p, i]).sort((a, b) => b[0] - a[0]);
    const [[sure, first], [, second] = [0, first]] = order;
    const name = this.classes[first], other = this.classes[second];
    this.digit.textContent = name;
    this.digit.className = `digit${name.length > 3 ? " long" : ""}${sure > 0.9 ? " sure" : ""}`;
    this.digit.style.opacity = (0.3 + 0.7 * sure).toFixed(2);
    if (!final) return;
    if (sure > 0.99) this.say(`That is ${article(name)}. No doubt about it.`);
    else if (sure > 0.9) this.say(`That is ${article(name)}.`);
    else if (sure > 0.6) this.say(`I would say ${article(name)}, though it could be ${article(other)}.`);
    else this.say(`Hard to tell: ${article(name)}? ${capital(article(other))}?`);
  }

  /** A model with one output for all classes: its value, and the class that is nearest to it. */
  showClass(name, value) {
    this.clear(`That is ${article(name)}: the output is ${value.toFixed(3)}.`);
    this.digit.textContent = name;
    this.digit.className = `digit${name.length > 3 ? " long" : ""} sure`;
    this.digit.style.opacity = "1";
  }
}

const capital = (words) => words[0].toUpperCase() + words.slice(1);
/** "a 7", "an 8"; names of other classes stand for themselves. */
const article = (name) => (/^\d$/.test(name) ? `${name === "8" ? "an" : "a"} ${name}` : name);
