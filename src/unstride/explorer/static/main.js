// The explorer: one state, drawn at once; what Python is asked follows.
import { copyButton, html, unique } from "./elements.js";
import { controls } from "./controls.js";
import { write } from "./dialects.js";
import { axesOf } from "./model.js";
import { derivation, frameworks, numbers, result, sizesCard, solver } from "./panels.js";
import { Stage } from "./stage.js";
import { fromAddress, start, toAddress, withAnswer } from "./state.js";

const QUIET = 40;
const PASTED = 250;
const EXAMPLE = "nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1)";

// The line that says the state: the pasted one while nothing was moved, else the framework's.
function lineOf(state, axes) {
  return state.line ?? (axes && state.transposed && state.dialect ? write(state.dialect, axes, state.settings) : null);
}

function questionOf(state, axes) {
  const line = lineOf(state, axes);
  const { dialect, settings, transposed } = state;
  const common = { size: state.axes.map(({ input }) => input), kernel: state.axes.map(({ kernel }) => kernel) };
  const known = { axes, dialect, settings, transposed };
  return line ? { ask: "explain", line, ...common, ...known } : { ask: "layer", ...known };
}

class PasteBox {
  constructor(paste) {
    const id = unique("line");
    Object.assign(this, { paste, timer: null });
    this.field = html("textarea", {
      id,
      rows: "1",
      placeholder: EXAMPLE,
      spellcheck: "false",
      autocomplete: "off",
      autocapitalize: "off",
    });
    this.problem = html("div", { class: "problem", role: "alert" });
    this.field.addEventListener("input", () => this.later());
    this.field.addEventListener("keydown", (event) => this.key(event));
    const label = html("label", { for: id }, "Paste the line from your code");
    this.element = html("div", { class: "paste" }, label, this.field, this.problem);
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.paste(this.field.value), PASTED);
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey) return;
    event.preventDefault();
    clearTimeout(this.timer);
    this.paste(this.field.value);
  }

  complain(error) {
    this.field.setAttribute("aria-invalid", String(Boolean(error)));
    const subject = error?.argument ? `${error.argument}: ` : "";
    const text = error ? `${subject}${[error.rule, error.hint].filter(Boolean).join("; ")}` : "";
    const where = error?.where ? html("pre", { tabindex: "0" }, error.where) : "";
    this.problem.replaceChildren(error ? html("p", {}, text) : "", where);
  }

  show(line) {
    if (document.activeElement !== this.field) this.field.value = line ?? "";
  }
}

class Explorer {
  constructor({ el, ask, address, first }) {
    Object.assign(this, { el, ask, address, answer: null, asked: 0, timer: null, told: null });
    this.state = address ? fromAddress(address.hash.slice(1)) : start();
    if (first) this.state = withAnswer(this.state, first, first.code);
    const act = (change) => this.act(change);
    const paste = (line) => this.adopt(line);
    this.box = new PasteBox((text) => (text.trim() ? paste(text.trim()) : this.box.complain(null)));
    this.knobs = controls(act);
    this.size = result(() => act((state) => ({ ...state, view: "compare", step: null })));
    this.stage = new Stage(act);
    this.steps = derivation();
    this.others = frameworks();
    this.together = sizesCard((choice) => (choice.settings ? this.pick(choice) : paste(choice.code)));
    this.wanted = solver(ask, (solution) => this.pick(solution));
    this.own = numbers(act);
    el.classList.add("unstride");
    el.replaceChildren(layout(this));
    this.listen = () => this.arrive();
    if (address) window.addEventListener("hashchange", this.listen);
    this.resized = new ResizeObserver(() => this.stage.resize());
    this.resized.observe(el);
    this.draw();
    this.follow();
  }

  // The state becomes what `change` makes of it; the picture follows at once, the answers when it is quiet.
  act(change) {
    this.state = change(this.state);
    this.box.complain(null);
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.follow(), QUIET);
  }

  // The state becomes the layer of a pasted line.
  async adopt(line) {
    this.asked += 1;
    const turn = this.asked;
    const column = (name) => this.state.axes.map((axis) => axis[name]);
    const found = await this.ask({ ask: "read", line, size: column("input"), kernel: column("kernel") });
    if (turn !== this.asked) return;
    if (!found.error) {
      this.act((now) => withAnswer(now, found, line));
      return;
    }
    this.box.complain(found.error);
    this.follow(); // what was on its way when the line was pasted was dropped
  }

  // The state becomes a solution's layer.
  pick(solution) {
    const { transposed } = this.state;
    this.act((now) =>
      withAnswer(now, { settings: null, transposed, ...solution }, solution.settings ? null : solution.code),
    );
    if (!solution.settings) this.adopt(solution.code);
  }

  draw() {
    const { state } = this;
    const { axes, error } = axesOf(state);
    // what was answered about another layer says nothing of this one
    const answer = axes && this.answer?.axes && differ(this.answer.axes, axes) ? null : this.answer;
    this.box.show(lineOf(state, axes));
    this.knobs.show(state);
    this.own.show(state);
    this.stage.show({ state, axes, answer });
    this.drawAround({ axes, state, error, answer });
  }

  // What stands around the picture changes with the layer only.
  drawAround({ axes, state, error, answer }) {
    const key = JSON.stringify([axes, error, state.transposed, state.view === "compare"]);
    if (key === this.around?.key && answer === this.around.answer) return;
    this.around = { key, answer };
    this.size.show({ axes, state, error, answer });
    if (axes) this.together.show({ axes, state, answer });
    if (axes) this.wanted.show({ axes, state });
    this.el.classList.toggle("stale", Boolean(error));
  }

  async follow() {
    if (this.address) window.history.replaceState(null, "", `#${toAddress(this.state)}`);
    const { axes, error } = axesOf(this.state);
    if (error) return;
    const question = questionOf(this.state, axes);
    const key = JSON.stringify(question);
    if (key === this.told) return;
    this.asked += 1;
    const turn = this.asked;
    const found = await this.ask(question);
    if (turn !== this.asked) return;
    if (found.error) {
      this.box.complain(found.error);
      return;
    }
    Object.assign(this, { told: key, answer: found });
    // a pasted line that came with the address is read here for the first time, and Python's word holds
    if (found.axes && differ(found.axes, axes))
      this.state = withAnswer(this.state, found, question.line);
    this.steps.show(found);
    this.others.show(found);
    this.draw();
  }

  get link() {
    return `${this.address.origin}${this.address.pathname}#${toAddress(this.state)}`;
  }

  // Another address was entered, or the browser went back.
  arrive() {
    if (`#${toAddress(this.state)}` === this.address.hash) return;
    this.state = fromAddress(this.address.hash.slice(1));
    this.draw();
    this.follow();
  }

  stop() {
    this.resized.disconnect();
    this.stage.stop();
    clearTimeout(this.timer);
    window.removeEventListener("hashchange", this.listen);
  }
}

// Draws the explorer into `el`; `ask` answers questions; `address` is where the state is kept, if anywhere.
export function render({ el, ask, address, first = null }) {
  const explorer = new Explorer({ el, ask, address, first });
  return () => explorer.stop();
}

function differ(a, b) {
  return ["small", "large", "kernel", "stride", "dilation", "before"].some((name) =>
    a.some((axis, k) => axis[name] !== b[k]?.[name]),
  );
}

const LEAD =
  "Every input number stamps the whole kernel onto the output; where stamps overlap, they add up; then the edges are " +
  "cropped. Press Play, or point at any number.";

function layout(parts) {
  const share = parts.address ? copyButton(() => parts.link, "a link to what you see", "Copy link") : null;
  const head = html("div", { class: "head" }, html("h1", {}, "See a transposed convolution"), share);
  const top = html("header", {}, head, html("p", { class: "lead" }, LEAD), parts.box.element);
  const left = html("section", { class: "side", "aria-label": "Settings" }, parts.knobs.element);
  const middle = html("div", { class: "middle" }, parts.size.element, parts.stage.element);
  const right = [parts.together, parts.wanted, parts.own, parts.steps].map(({ element }) => element);
  const cards = html("div", { class: "cards" }, parts.others.element, html("div", { class: "column" }, ...right));
  return html("div", { class: "page" }, top, html("div", { class: "work" }, left, middle), cards);
}
