// Step and play: first, back, play or pause, on, last, and a slider over all steps.
import { button, html, unique } from "./elements.js";

const PAUSE = 750;

// `act(step)` takes the step shown; null stands for the finished picture.
export class Player {
  constructor(act) {
    Object.assign(this, { act, count: 0, step: null, timer: null });
    this.play = button("▶ Play", () => this.toggle(), { class: "play" });
    const id = unique("steps");
    this.slider = html("input", { type: "range", min: "0", id, "aria-label": "Step" });
    this.slider.addEventListener("input", () => this.halt(Number(this.slider.value)));
    this.text = html("output", { for: id, class: "steps" });
    this.element = html(
      "div",
      { class: "player", role: "group", "aria-label": "Animation" },
      this.play,
      this.tool("|◀", "First step", () => 0),
      this.tool("◀", "Step back", () => this.at - 1),
      this.tool("▶", "Step on", () => this.at + 1),
      this.tool("▶|", "Last step: the whole picture", () => this.count),
      this.slider,
      this.text,
    );
  }

  tool(sign, name, to) {
    return button(sign, () => this.halt(to()), { "aria-label": name, title: name });
  }

  get at() {
    return this.step === null ? this.count : this.step;
  }

  get playing() {
    return this.timer !== null;
  }

  go(to) {
    this.act(to >= this.count ? null : Math.max(to, 0));
  }

  halt(to) {
    this.stop();
    this.go(to);
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "▶ Play";
  }

  onward() {
    if (this.at + 1 >= this.count) this.stop();
    this.go(this.at + 1);
  }

  toggle() {
    if (this.playing) {
      this.stop();
      return;
    }
    this.timer = setInterval(() => this.onward(), PAUSE);
    this.play.textContent = "❚❚ Pause";
    if (this.step === null) this.go(0);
  }

  show(count, step, what) {
    Object.assign(this, { count, step });
    this.element.hidden = count === 0;
    this.slider.max = `${count}`;
    this.slider.value = `${this.at}`;
    const words = step === null ? `all ${count} ${what}` : `${what.replace(/s$/, "")} ${step + 1} of ${count}`;
    this.text.textContent = words;
    this.slider.setAttribute("aria-valuetext", words);
  }
}
