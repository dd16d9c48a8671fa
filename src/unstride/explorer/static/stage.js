// The picture with its views, its steps, and what it says about the cell that is pointed at.
import { caption } from "./captions.js";
import { comparison, otherCrops, shortly } from "./crops.js";
import { button, html, unique } from "./elements.js";
import { KERNEL_LIMIT, modelOf, order } from "./model.js";
import { patch } from "./paint.js";
import { Player } from "./player.js";
import { VIEWS } from "./state.js";
import { matrix, zeros } from "./textbook.js";
import { compare, heat, sentence, stamps } from "./views.js";

const TITLES = {
  scatter: "Scatter",
  gather: "Gather",
  zeros: "Zeros between",
  matrix: "Matrix",
  coverage: "Checkerboard",
  compare: "Compare crops",
};
const DRAW = { scatter: stamps, gather: stamps, zeros, matrix, coverage: heat };
const STEPS = {
  scatter: ["input", "stamps"],
  gather: ["output", "outputs"],
  zeros: ["output", "outputs"],
  matrix: ["output", "rows"],
};
const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const PAIRS = [
  [1, 2],
  [0, 1],
  [0, 2],
];
const PAIR_NAMES = ["height × width", "depth × height", "depth × width"];
const WIDEST = 1100;
const HELP = "Arrow keys move over the output, I and O go to input and output; Space plays, Escape lets go.";

const alike = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function choice(label, options, take) {
  const element = html("select", { "aria-label": label, onchange: () => take(Number(element.value)) });
  element.append(...options.map((text, k) => html("option", { value: `${k}` }, text)));
  return element;
}

// The picture; `act` takes a function from the state to the next.
export class Stage {
  constructor(act) {
    Object.assign(this, { act, now: null, model: null, chosen: null, side: "output" });
    const set = (change) => act((state) => ({ ...state, step: null, ...change(state) }));
    this.buttons = VIEWS.map((view) => button(TITLES[view], () => set(() => ({ view })), { "data-view": view }));
    this.caption = html("p", { class: "caption" });
    this.others = choice("Compare with", [], (other) => set(() => ({ other })));
    this.pairs = choice("Axes drawn", PAIR_NAMES, (k) => set(() => ({ shown: PAIRS[k] })));
    this.others.hidden = true;
    this.pairs.hidden = true;
    this.ends = button("Show the end", () => set((state) => ({ atEnd: !state.atEnd })), { hidden: true });
    this.sum = html("p", { class: "sum", "aria-live": "polite" });
    this.player = new Player((step) => act((state) => ({ ...state, step })));
    this.frame = this.makeFrame();
    this.element = html(
      "section",
      { class: "stage", "aria-label": "Picture" },
      html("div", { class: "tabs", role: "group", "aria-label": "Views" }, ...this.buttons),
      this.caption,
      html("div", { class: "extras" }, this.others, this.pairs, this.ends),
      this.player.element,
      this.frame,
      this.sum,
      this.help,
    );
  }

  makeFrame() {
    this.help = html("p", { class: "help", id: unique("help") }, HELP);
    const frame = html("div", {
      class: "frame",
      role: "application",
      tabindex: "0",
      "aria-label": "Picture of the layer",
      "aria-describedby": this.help.id,
    });
    frame.addEventListener("pointerover", (event) => this.over(event) && this.point(this.over(event)));
    frame.addEventListener("pointerdown", (event) => this.point(this.over(event)));
    frame.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && this.point(null));
    frame.addEventListener("keydown", (event) => this.key(event));
    return frame;
  }

  show(next) {
    if (this.now && !alike(this.now.axes, next.axes)) this.chosen = null;
    if (this.player.playing && this.now?.state.view !== next.state.view) this.player.stop();
    this.now = next;
    this.draw();
  }

  resize() {
    if (this.now) this.draw();
  }

  stop() {
    this.player.stop();
  }

  draw() {
    const { state, axes, answer } = this.now;
    if (!axes) return;
    if (Math.max(...axes.map(({ kernel }) => kernel)) > KERNEL_LIMIT) {
      const said = `A kernel of more than ${KERNEL_LIMIT} taps is not drawn; the sizes are exact.`;
      this.frame.replaceChildren(html("p", {}, said));
      return;
    }
    const width = Math.min(Math.max(this.frame.clientWidth - 20, 240), WIDEST);
    this.model = modelOf(state, axes, width);
    const view = state.transposed || !["zeros", "compare"].includes(state.view) ? state.view : "scatter";
    const crops = view === "compare" ? otherCrops(axes, answer) : [];
    const other = comparison(this.model, axes, crops[state.other] ?? crops[0], answer?.title);
    const { list, side, step, what } = this.steps(view, state.step);
    const pointed = this.chosen ?? (step === null ? null : { side, index: list[step] });
    const drawn = { chosen: pointed, view, step: step === null ? null : list[step], width };
    const paint = DRAW[view] ?? stamps;
    this.paint(other ? compare(this.model, other, drawn) : paint(this.model, drawn));
    const third = axes.length === 3 ? " Drawn are two of the three axes; the third does the same." : "";
    this.caption.textContent = caption(view, this.model, other) + third;
    this.player.show(list.length, step, what);
    this.tell(pointed);
    this.offer(view, crops, state);
  }

  paint(picture) {
    const [old] = this.frame.children;
    if (old) patch(old, picture);
    else this.frame.append(picture);
  }

  steps(view, step) {
    if (!(view in STEPS)) return { list: [], step: null, what: "steps" };
    const [side, what] = STEPS[view];
    const list = order(this.model, this.model[side]);
    return { list, side, what, step: step !== null && step < list.length ? step : null };
  }

  tell(pointed) {
    this.sum.setAttribute("aria-live", this.player.playing ? "off" : "polite");
    this.sum.textContent = pointed ? sentence(this.model, pointed) : "Point at a number to see where it comes from.";
  }

  offer(view, crops, state) {
    for (const each of this.buttons) {
      each.setAttribute("aria-pressed", String(each.dataset.view === view));
      each.hidden = !state.transposed && ["zeros", "compare"].includes(each.dataset.view);
    }
    const names = crops.map(({ titles }) => `with ${shortly(titles)}`);
    if (this.others.dataset.names !== names.join("|")) {
      this.others.dataset.names = names.join("|");
      this.others.replaceChildren(...names.map((name, k) => html("option", { value: `${k}` }, name)));
    }
    this.others.hidden = crops.length === 0;
    this.others.value = `${state.other < crops.length ? state.other : 0}`;
    this.pairs.hidden = state.axes.length < 3;
    this.pairs.value = `${PAIRS.findIndex((pair) => alike(pair, state.shown))}`;
    this.ends.hidden = !this.model.elided;
    this.ends.textContent = state.atEnd ? "Show the beginning" : "Show the end";
  }

  // The cell under the pointer.
  over(event) {
    const cell = event.target.closest?.("[data-side]");
    if (!cell || !["input", "output"].includes(cell.dataset.side)) return null;
    return { side: cell.dataset.side, index: [Number(cell.dataset.i), Number(cell.dataset.j)] };
  }

  point(next) {
    if (alike(next, this.chosen) || !this.model) return;
    this.chosen = next;
    this.draw();
  }

  key(event) {
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (key === "escape") this.point(null);
    else if (key === " ") this.player.toggle();
    else if (key === "i" || key === "o") this.enter(key === "i" ? "input" : "output");
    else if (MOVES[event.key]) this.walk(MOVES[event.key]);
    else return;
    event.preventDefault();
    event.stopPropagation(); // a notebook has shortcuts of its own
  }

  enter(side) {
    this.side = side;
    const [first] = order(this.model, this.model[side]);
    if (first) this.point({ side, index: first });
  }

  walk([down, right]) {
    if (this.chosen?.side !== this.side) {
      this.enter(this.side);
      return;
    }
    const [i, j] = this.chosen.index;
    const next = [i + down, j + right];
    if (order(this.model, this.model[this.side]).some((each) => alike(each, next)))
      this.point({ side: this.side, index: next });
  }
}
