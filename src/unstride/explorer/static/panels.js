// What stands around the picture: the size and its formula, the other frameworks, the sizes, the solver, the numbers.
import { LECTURE, difference, otherCrops, shortly } from "./crops.js";
import { button, copyButton, html, unique } from "./elements.js";
import { after, full, largeSizes, span } from "./relation.js";
import { edges, sizeOf, times } from "./model.js";

const bracket = (value) => (value < 0 ? `(−${-value})` : value.toLocaleString("en"));

const term = (kind, text) => html("span", { class: `term ${kind}` }, text);

// A short line that tells the size of one axis from its numbers, under the same in words unless that was told.
function formula(axis, transposed, told) {
  const [words, numbers, size] = transposed ? expanding(axis) : shrinking(axis);
  const head = told ? [] : [html("span", { class: "words" }, ...words), html("br")];
  const total = html("strong", { class: "term output" }, size.toLocaleString("en"));
  return html("p", { class: "formula" }, ...head, ...numbers, total);
}

function expanding(axis) {
  const say = (input, stride, kernel, before, behind) => [
    "(",
    term("input", input),
    ` − 1) · ${stride} + `,
    term("kernel", kernel),
    " − ",
    term("crop", before),
    " − ",
    term("crop", behind),
    " = ",
  ];
  const kernel = axis.dilation > 1 ? "kernel with gaps" : "kernel";
  const words = [...say("input", "stride", kernel, "cropped before", "cropped after"), "output"];
  const numbers = [axis.small, axis.stride, span(axis), axis.before, after(axis)].map(bracket);
  return [words, say(...numbers), axis.large];
}

function shrinking(axis) {
  const say = (input, before, behind, kernel, stride) => [
    "⌊(",
    term("input", input),
    ` + ${before} + ${behind} − `,
    term("kernel", kernel),
    `) / ${stride}⌋ + 1 = `,
  ];
  const words = [...say("input", "padded before", "padded after", "kernel", "stride"), "output"];
  const numbers = [axis.large, axis.before, Math.max(after(axis), 0), span(axis), axis.stride].map(bracket);
  return [words, say(...numbers), axis.small];
}

function kinds(axes) {
  const found = new Map();
  axes.forEach((axis, k) => {
    const key = JSON.stringify(axis);
    found.set(key, { axis, places: [...(found.get(key)?.places ?? []), k] });
  });
  return [...found.values()];
}

const NAMES = { 1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"] };

// Which frameworks crop the same words differently, with a way to see it.
function disagreement(crops, axes, compare) {
  const found = crops.find(({ titles }) => titles.some((title) => title !== LECTURE));
  if (!found) return [];
  const text = `${shortly(found.titles)} would crop elsewhere: ${difference(axes, found.axes).toLowerCase()} `;
  return [html("p", { class: "elsewhere" }, text[0].toUpperCase() + text.slice(1), button("Compare", compare))];
}

function axisLines(axis, transposed, { name, every, told }) {
  const reach = `${transposed ? "all stamps together" : "the kernel's steps"} cover ${full(axis).toLocaleString("en")}`;
  const text = `${every ? "on each axis: " : ""}${edges(axis, transposed)}; ${reach}`;
  const lines = [formula(axis, transposed, told), html("p", { class: "edges" }, text)];
  return name ? [html("p", { class: "axis" }, name), ...lines] : lines;
}

// The size, large, and how it comes about; `compare` shows another reading of the same words.
export function result(compare) {
  const size = html("p", { class: "size", role: "status" });
  const lines = html("div", { class: "lines" });
  const element = html("section", { class: "result", "aria-label": "Output size" }, size, lines);
  const show = ({ axes, state, error, answer }) => {
    if (error) {
      size.replaceChildren(html("span", { class: "refused" }, "no output"));
      lines.replaceChildren(html("p", { class: "problem", role: "alert" }, error));
      return;
    }
    const [from, to] = state.transposed ? ["small", "large"] : ["large", "small"];
    const sides = [times(sizeOf(axes, from)), times(sizeOf(axes, to))];
    size.replaceChildren(
      html("span", { class: "term input" }, sides[0]),
      html("span", { class: "arrow", "aria-label": "becomes" }, " → "),
      html("span", { class: "term output" }, sides[1]),
    );
    const groups = kinds(axes);
    const alike = groups.length === 1;
    lines.replaceChildren(
      ...groups.flatMap(({ axis, places }, k) =>
        axisLines(axis, state.transposed, {
          name: alike ? null : places.map((each) => NAMES[axes.length][each]).join(" and "),
          every: alike && axes.length > 1,
          told: k > 0,
        }),
      ),
      ...(state.transposed && state.view !== "compare" ? disagreement(otherCrops(axes, answer), axes, compare) : []),
    );
  };
  return { element, show };
}

// The derivation as Python tells it, with the framework's own words.
export function derivation() {
  const list = html("ol", {});
  const summary = html("summary", {}, "Why this size, step by step");
  const element = html("details", { class: "card of-layer derivation", hidden: true }, summary, list);
  const show = ({ derivation: lines = [], input_shape: from, output_shape: to }) => {
    element.hidden = lines.length === 0;
    const shapes = from ? [`shapes as the framework orders them: (${from.join(", ")}) → (${to.join(", ")})`] : [];
    list.replaceChildren(...[...shapes, ...lines].map((line) => html("li", {}, line.trim())));
  };
  return { element, show };
}

function framework(found) {
  const lines = found.exact ? [found.code] : (found.composition ?? []);
  const code = lines.join("\n");
  const head = html("div", { class: "who" }, html("h3", {}, found.title));
  if (found.exact) head.append(html("span", { class: "tag exact" }, "same layer"));
  else head.append(html("span", { class: "tag" }, found.composition ? "in steps" : "cannot say it"));
  if (code) head.append(copyButton(code, `the ${found.title} line`));
  const body = [head];
  if (!found.exact)
    body.push(
      html(
        "p",
        { class: "reason" },
        `Not in one call: ${found.refusal}.${found.composition ? " Exactly the same:" : ""}`,
      ),
    );
  if (code) body.push(html("pre", {}, html("code", {}, code)));
  if (found.flipped && code)
    body.push(
      html("p", { class: "reason" }, "Its kernel is stored the other way round: reverse the taps on every axis."),
    );
  return html("li", { class: found.exact ? "whole" : "stepwise", "data-dialect": found.dialect }, ...body);
}

const CHIEF = 6;

// The same layer in every framework: its line, or the refusal and what equals it.
export function frameworks() {
  const first = html("ul", { class: "frameworks" });
  const rest = html("ul", { class: "frameworks" });
  const more = html("details", { hidden: true }, html("summary", {}, "More frameworks"), rest);
  const note = html("p", { class: "note" });
  const element = html(
    "section",
    { class: "card of-layer" },
    html("h2", {}, "The same layer in every framework"),
    note,
    first,
    more,
  );
  const show = (found) => {
    const listed = found?.same_layer ?? [];
    first.replaceChildren(...listed.slice(0, CHIEF).map(framework));
    rest.replaceChildren(...listed.slice(CHIEF).map(framework));
    more.hidden = listed.length <= CHIEF;
    note.textContent = found?.note ?? "";
    note.hidden = !found?.note;
  };
  return { element, show };
}

// All large sizes that share the small one; choosing one asks for it.
export function sizesCard(act) {
  const text = html("p", {});
  const chips = html("div", { class: "chips" });
  const element = html(
    "section",
    { class: "card of-layer sizes" },
    html("h2", {}, "All sizes that go together"),
    text,
    chips,
  );
  const show = ({ axes, state, answer }) => {
    const axis = axes[axes.length - 1];
    const given = answer?.sizes?.find((each) => each.axes.includes(axes.length - 1));
    const [least, most] = given?.sizes ?? largeSizes(axis, axis.before + Math.max(after(axis), 0));
    const range = least === most ? `${least}` : `${least.toLocaleString("en")}…${most.toLocaleString("en")}`;
    const both = most - least === 1 ? `${least} and ${most} both` : `${range} all`;
    const back = `A convolution with this kernel, stride and padding turns ${both} `;
    text.textContent =
      least === most
        ? `Stride 1: ${axis.small} and ${range} go together, one to one.`
        : `${back}into ${axis.small.toLocaleString("en")}. So the way back is ambiguous: each of them is a possible output.`;
    chips.replaceChildren(...(state.transposed ? (given?.choices ?? []).map((choice) => chip(choice, act)) : []));
  };
  return { element, show };
}

function chip(choice, act) {
  const label = html(
    "span",
    {},
    html("b", {}, choice.size.toLocaleString("en")),
    choice.argument ? ` ${choice.argument}` : "",
  );
  if (choice.chosen) return html("span", { class: "chip now" }, label, " this line");
  if (!choice.code && !choice.settings) return html("span", { class: "chip" }, label, " crop or pad the output");
  return html("button", { type: "button", class: "chip", onclick: () => act(choice) }, label);
}

// Type the size you want; pick a line.
export function solver(ask, act) {
  const id = unique("want");
  const want = html("input", { type: "number", id, min: "1", max: "1000000000" });
  const keep = html("input", { type: "checkbox", checked: true });
  const list = html("ol", { class: "solutions" });
  const said = html("p", { role: "status" });
  let now = null;
  const search = async (event) => {
    event.preventDefault();
    const large = Number(want.value);
    if (!now?.axes || !Number.isInteger(large) || large < 1) return;
    const { axes, state } = now;
    const column = (name) => axes.map((axis) => axis[name]);
    const question = {
      ask: "solve",
      small: column("small"),
      large: axes.map(() => large),
      transposed: state.transposed,
    };
    if (keep.checked) Object.assign(question, { kernel: column("kernel"), stride: column("stride") });
    if (!state.transposed) Object.assign(question, { large: column("large"), small: axes.map(() => large) });
    const found = await ask(question);
    list.replaceChildren(...(found.solutions ?? []).map((each) => solution(each, act)));
    said.textContent = outcome(found, large);
  };
  const form = html(
    "form",
    { onsubmit: search },
    html("label", { for: id }, "I want an output size of "),
    want,
    html("label", { class: "check" }, keep, " keep kernel and stride"),
    html("button", { type: "submit" }, "Find lines"),
  );
  const element = html("section", { class: "card solver" }, html("h2", {}, "Get the size you want"), form, said, list);
  return { element, show: (next) => (now = next) };
}

function outcome(found, large) {
  if (found.error) return [found.error.rule, found.error.hint].filter(Boolean).join("; ");
  if (found.solutions.length) return `${found.solutions.length} lines give ${large}, best first. Pick one to see it:`;
  const near = found.nearest?.length ? `; the nearest are ${found.nearest.join(" and ")}` : "";
  return `No line gives ${large} with these numbers${near}. Let kernel and stride go free.`;
}

function solution(each, act) {
  const pick = html("button", { type: "button", class: "pick", onclick: () => act(each) }, html("code", {}, each.code));
  return html("li", {}, html("span", { class: "tag" }, each.title), pick, html("span", { class: "why" }, each.why));
}

const LIMIT = 32;

function parsed(text) {
  const rows = text
    .trim()
    .split("\n")
    .map((row) => row.trim().split(/[\s,;]+/));
  const fine = rows.every((row) => row.length <= LIMIT && row.every((entry) => /^-?\d{1,3}$/.test(entry)));
  return fine && rows.length <= LIMIT ? rows.map((row) => row.map(Number)) : null;
}

// The integers of input and kernel, as text; they repeat where the grid is larger.
export function numbers(act) {
  const fields = ["x", "w"].map((name) => {
    const id = unique(name);
    const area = html("textarea", { id, rows: "4", cols: "14", spellcheck: "false", autocomplete: "off" });
    area.addEventListener("input", () => {
      const rows = parsed(area.value);
      area.setAttribute("aria-invalid", String(!rows));
      if (rows) act((state) => ({ ...state, [name]: rows, step: null }));
    });
    const label = name === "x" ? "input" : "kernel";
    return { name, area, element: html("div", { class: label }, html("label", { for: id }, label), area) };
  });
  const hint = html("p", { class: "note" }, "Whole numbers, one row a line. They repeat where the grid is larger.");
  const reset = button("All ones", () => act((state) => ({ ...state, x: [[1]], w: [[1]], step: null })));
  const row = html("div", { class: "numbers" }, ...fields.map((each) => each.element));
  const element = html("section", { class: "card" }, html("h2", {}, "Your own numbers"), row, hint, reset);
  const show = (state) => {
    for (const { name, area } of fields) {
      if (document.activeElement !== area) area.value = state[name].map((each) => each.join(" ")).join("\n");
    }
  };
  return { element, show };
}
