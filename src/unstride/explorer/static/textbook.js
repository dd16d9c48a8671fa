// The pictures of the textbooks: zeros stuffed between the input's elements, and the matrix with its transpose.
import { span } from "./relation.js";
import { at, inside, isAfter, sizes, sumAt, weightBetween } from "./values.js";
import { name, order } from "./model.js";
import { panel, picture } from "./paint.js";
import { kernelPanel, outputPanel, range } from "./views.js";

const LINES = 16;

const same = (a, b) => a !== null && b !== null && a[0] === b[0] && a[1] === b[1];

function stuffed(axis) {
  const low = span(axis) - 1 - axis.before;
  const spaced = (axis.small - 1) * axis.stride + 1;
  return { first: Math.min(-low, 0), stop: Math.max(axis.large + span(axis) - 1 - low, spaced), spaced };
}

// The places of the stuffed input that output index `large` reads: one kernel's extent, the taps in reverse.
function reach(axis, large) {
  return [large + axis.before - span(axis) + 1, large + axis.before + 1];
}

// A convolution of stride 1 with the reversed kernel, over the input with zeros between and around.
export function zeros(model, { chosen, step, width }) {
  const parts = model.axes.map(stuffed);
  const limit = model.flat ? 24 : 14;
  const at_ = chosen?.side === "output" ? chosen.index : null;
  const ranges = parts.map(({ first, stop }, k) => {
    if (stop - first <= limit) return [first, stop];
    const from = at_ ? Math.max(first, Math.min(reach(model.axes[k], at_[k])[0] - 2, stop - limit)) : first;
    return [from, from + limit];
  });
  const element = (k, place) => (place % model.axes[k].stride === 0 ? place / model.axes[k].stride : -1);
  const size = sizes(model.axes, "small");
  const cut = ranges.some(([a, b], k) => b - a < parts[k].stop - parts[k].first);
  const grid = panel({
    title: "input with zeros between and around",
    side: "stuffed",
    flat: model.flat,
    rows: ranges[0],
    columns: ranges[1],
    more: cut ? { right: ranges[1][1] < parts[1].stop, bottom: ranges[0][1] < parts[0].stop } : {},
    boxes: at_ ? [{ rows: reach(model.axes[0], at_[0]), columns: reach(model.axes[1], at_[1]), kind: "chosen" }] : [],
    cell: (i, j) => {
      const index = [element(0, i), element(1, j)];
      const between = i >= 0 && j >= 0 && i < parts[0].spaced && j < parts[1].spaced;
      if (inside(size, index)) return { text: at(model.x, ...index), kind: "input" };
      return { text: 0, kind: between ? "stuffing" : "padding" };
    },
  });
  const nothing = { small: [], large: [], taps: [] };
  const panels = [
    grid,
    kernelPanel(model, nothing, true),
    outputPanel(model, chosen, nothing, { view: "gather", step }),
  ];
  return picture(panels, [], width);
}

// The layer as one matrix: a row for each output element, a column for each input element; and its transpose.
export function matrix(model, { chosen, step, width }) {
  const outputs = order(model, model.output).slice(0, LINES);
  const inputs = order(model, model.input).slice(0, LINES);
  const entry = (output, input) => {
    const [small, large] = model.transposed ? [input, output] : [output, input];
    return weightBetween(model, small, large);
  };
  const lit = (output, input) =>
    (chosen?.side === "output" && same(chosen.index, output)) ||
    (chosen?.side === "input" && same(chosen.index, input));
  const cut = {
    bottom: outputs.length < sizes(model.axes, model.output).reduce((a, b) => a * b),
    right: inputs.length < sizes(model.axes, model.input).reduce((a, b) => a * b),
  };
  const shape = { side: "matrix", flat: false };
  const cell = (output, input, stands) => {
    const w = entry(output, input);
    return {
      stands,
      text: w === null ? "" : w,
      kind: `${w === null ? "empty" : "kernel"} ${lit(output, input) ? "lit" : ""}`,
    };
  };
  const tall = panel({
    ...shape,
    title: "matrix: output = matrix · input",
    rows: [0, outputs.length],
    columns: [0, inputs.length],
    more: cut,
    cell: (i, j) => cell(outputs[i], inputs[j], { side: "output", index: outputs[i] }),
  });
  const wide = panel({
    ...shape,
    title: `its transpose: the ${model.transposed ? "" : "transposed "}convolution`,
    rows: [0, inputs.length],
    columns: [0, outputs.length],
    more: { right: cut.bottom, bottom: cut.right },
    cell: (i, j) => cell(outputs[j], inputs[i], { side: "input", index: inputs[i] }),
  });
  const columns = [column(model, inputs, "input", chosen), column(model, outputs, "output", chosen, step)];
  return picture([tall, ...columns, wide], [], width, 1);
}

// All elements of one side under each other.
function column(model, list, side, chosen, step) {
  return panel({
    title: side,
    side: "copy",
    rows: [0, list.length],
    columns: [0, 1],
    flat: false,
    cell: (i) => {
      const index = list[i];
      const marks = [side === "input" ? "input" : "kept"];
      if (chosen?.side === side && same(chosen.index, index)) marks.push("chosen");
      const waiting = step && isAfter(index, step);
      const text = side === "input" ? at(model.x, ...index) : waiting ? "" : sumAt(model, index).total;
      return { text, kind: marks.join(" "), stands: { side, index } };
    },
  });
}

export function matrixNote(model) {
  const all = ["output", "input"].map((side) => sizes(model.axes, model[side]).reduce((a, b) => a * b));
  const cut = Math.max(...all) > LINES ? ` The first ${LINES} rows and columns are drawn.` : "";
  const [first] = order(model, model.output);
  const start = first ? ` Row 0 is output${name(model, first)}.` : "";
  const [rows, columns] = all.map((count) => count.toLocaleString("en"));
  return `${rows} rows for the output's elements, ${columns} columns for the input's.${start}${cut}`;
}
