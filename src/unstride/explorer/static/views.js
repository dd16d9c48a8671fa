// The views of the stamps: scatter and gather, coverage, and two crops of one full extent beside each other.
import { coverage, full, span } from "./relation.js";
import { gainAt, inside, meetings, sizes, sumAt, sumUpTo, weightBetween, at, isAfter } from "./values.js";
import { moreOf, name, times } from "./model.js";
import { panel, picture } from "./paint.js";

const same = (a, b) => a !== null && b !== null && a[0] === b[0] && a[1] === b[1];

function kept(axes) {
  return { rows: [0, axes[0].large], columns: [0, axes[1].large] };
}

export function range(model, side) {
  const { rows, columns } = model.ranges[side];
  return { rows, columns, more: moreOf(model.ranges[side]), flat: model.flat };
}

// What a cell of the large side is: kept, cropped or padding, or reached by no stamp.
export function kindOf(model, index) {
  const outside = !inside(sizes(model.axes, "large"), index);
  const stamps = model.axes.reduce((product, axis, k) => product * coverage(axis, index[k]), 1);
  if (outside) return model.transposed ? "cropped" : "padding";
  return stamps === 0 ? "bare" : "kept";
}

// The elements that the active one meets, on both sides and in the kernel.
function active(model, chosen) {
  if (!chosen || chosen.side === "kernel") return { small: [], large: [], taps: [], met: [] };
  const side = chosen.side === "input" ? model.input : model.output;
  const limits = sizes(model.axes, "small");
  const met = meetings(model.axes, side, chosen.index).filter(({ small }) => inside(limits, small));
  return {
    small: met.map((each) => each.small),
    large: met.map((each) => each.large),
    taps: met.map((e) => e.tap),
    met,
  };
}

const has = (list, index) => list.some((each) => same(each, index));

// The kernel's number between an input and an output element.
function joined(model, input, output) {
  const [small, large] = model.transposed ? [input, output] : [output, input];
  return weightBetween(model, small, large);
}

export function inputPanel(model, chosen, lit, step) {
  const side = model.input;
  const size = sizes(model.axes, side);
  return panel({
    title: `input ${times(model.flat ? [size[1]] : size)}`,
    side: "input",
    ...range(model, side),
    boxes: side === "large" ? [{ ...kept(model.axes), kind: "input" }] : [],
    cell: (i, j) => {
      const index = [i, j];
      const real = inside(size, index);
      const waiting = step && isAfter(index, step);
      const marks = [real ? "input" : "padding", waiting && real ? "waiting" : ""];
      if (chosen?.side === "input" && same(chosen.index, index)) marks.push("chosen");
      else if (has(lit[side], index)) marks.push("lit");
      const w = chosen?.side === "output" && marks.includes("lit") ? joined(model, index, chosen.index) : null;
      return {
        text: real ? at(model.x, i, j) : 0,
        kind: marks.join(" "),
        note: w === null ? undefined : `·${w}`.replace("-", "−"),
      };
    },
  });
}

export function kernelPanel(model, lit, flipped = false) {
  const taps = sizes(model.axes, "kernel");
  const turned = (i, j) => (flipped ? [taps[0] - 1 - i, taps[1] - 1 - j] : [i, j]);
  return panel({
    title: `kernel ${times(model.flat ? [taps[1]] : taps)}${flipped ? ", reversed" : ""}`,
    side: "kernel",
    ...range(model, "kernel"),
    cell: (i, j) => ({
      text: at(model.w, ...turned(i, j)),
      kind: `kernel ${has(lit.taps, turned(i, j)) ? "lit" : ""}`,
    }),
  });
}

// The number on an output cell: all of its sum, or as far as the steps have come.
function outputText(model, index, view, step) {
  if (view === "gather") return step && isAfter(index, step) ? "" : sumAt(model, index).total;
  return step ? sumUpTo(model, index, step) : sumAt(model, index).total;
}

export function outputPanel(model, chosen, lit, { view, step }) {
  const side = model.output;
  const size = sizes(model.axes, side);
  const weights = chosen?.side === "input" && inside(sizes(model.axes, model.input), chosen.index);
  return panel({
    title: `output ${times(model.flat ? [size[1]] : size)}`,
    side: "output",
    ...range(model, side),
    boxes: side === "large" ? [{ ...kept(model.axes), kind: "output", label: "what is kept: the output" }] : [],
    cell: (i, j) => {
      const index = [i, j];
      const marks = [side === "large" ? kindOf(model, index) : "kept"];
      if (chosen?.side === "output" && same(chosen.index, index)) marks.push("chosen");
      else if (has(lit[side], index)) marks.push("lit");
      const w = weights && marks.includes("lit") ? joined(model, chosen.index, index) : null;
      const note =
        w === null ? undefined : `+${at(model.x, ...chosen.index)}·${w}`.replace("+-", "−").replaceAll("-", "−");
      return { text: outputText(model, index, view, step), kind: marks.join(" "), note };
    },
  });
}

// A small element meets a whole extent of the large side: a beam onto it. A large one meets single elements: lines.
function links(model, chosen, lit) {
  if (!chosen) return [];
  const [from, to] = chosen.side === "input" ? [0, 2] : [2, 0];
  if (model[chosen.side] === "small") {
    const [rows, columns] = model.axes.map((axis, k) => {
      const first = axis.stride * chosen.index[k] - axis.before;
      return [first, first + span(axis)];
    });
    return [{ from, to, box: { index: chosen.index, rows, columns } }];
  }
  const met = lit.small.slice(0, 64);
  return met.map((index) => ({ from: { panel: from, index: chosen.index }, to: { panel: to, index } }));
}

// Input, kernel and output, and how the chosen cell joins them.
export function stamps(model, { chosen, view, step, width }) {
  const lit = active(model, chosen);
  const panels = [
    inputPanel(model, chosen, lit, view === "scatter" ? step : null),
    kernelPanel(model, lit),
    outputPanel(model, chosen, lit, { view, step }),
  ];
  return picture(panels, links(model, chosen, lit), width);
}

// How many stamps meet at each large element, and what an input of ones becomes there.
export function heat(model, { chosen, width }) {
  const large = { ...range(model, "large") };
  const size = sizes(model.axes, "large");
  const count = (i, j) => coverage(model.axes[0], i) * coverage(model.axes[1], j);
  const most = Math.max(1, ...cells(large).map(([i, j]) => (inside(size, [i, j]) ? count(i, j) : 0)));
  const level = (value) => `heat${Math.round((4 * value) / most)}`;
  const mark = (i, j) => (chosen?.side === "output" && same(chosen.index, [i, j]) ? "chosen" : "");
  const shown = { ...large, side: "output", boxes: [{ ...kept(model.axes), kind: "output" }] };
  const gains = cells(large).map(([i, j]) => Math.abs(gainAt(model, [i, j])));
  const strongest = Math.max(1, ...gains);
  const map = (title, value, shade) =>
    panel({
      ...shown,
      title,
      cell: (i, j) =>
        inside(size, [i, j])
          ? { text: value(i, j), kind: `heat ${shade(value(i, j))} ${mark(i, j)}` }
          : { text: "", kind: "cropped" },
    });
  const gain = (i, j) => gainAt(model, [i, j]);
  return picture(
    [
      map("stamps that meet", count, level),
      map(
        "sum of the kernel numbers that meet",
        gain,
        (value) => `heat${Math.round((4 * Math.abs(value)) / strongest)}`,
      ),
    ],
    [],
    width,
  );
}

function cells({ rows, columns }) {
  const found = [];
  for (let i = rows[0]; i < rows[1]; i += 1) for (let j = columns[0]; j < columns[1]; j += 1) found.push([i, j]);
  return found;
}

// One full extent, two crops: ours and another reading's, and the two outputs.
export function compare(model, other, { chosen, width }) {
  const ours = kept(model.axes);
  const theirs = other.axes.map(({ before, large }, k) => {
    const first = before - model.axes[k].before;
    return [first, first + large];
  });
  const box = { rows: theirs[0], columns: theirs[1] };
  const within = (area, i, j) =>
    i >= area.rows[0] && i < area.rows[1] && j >= area.columns[0] && j < area.columns[1] ? 1 : 0;
  const extent = panel({
    title: `all stamps ${times(model.flat ? [full(model.axes[1])] : model.axes.map(full))}, and two crops`,
    side: "output",
    ...range(model, "large"),
    boxes: [
      { ...ours, kind: "output", label: other.ours },
      { ...box, kind: "other", label: other.title },
    ],
    cell: (i, j) => {
      const kind = ["cropped", "onlyours", "onlytheirs", "kept"][within(ours, i, j) + 2 * within(box, i, j)];
      const mark = chosen?.side === "output" && same(chosen.index, [i, j]) ? "chosen" : "";
      return { text: sumAt(model, [i, j]).total, kind: `${kind} ${mark}` };
    },
  });
  return picture([extent, crop(model, ours, other.ours, "output"), crop(model, box, other.title, "other")], [], width);
}

function crop(model, area, title, kind) {
  const { rows, columns } = model.ranges.large;
  const cut = ([a, b], [first, stop]) => [Math.max(a, first), Math.max(Math.min(b, stop), Math.max(a, first))];
  const [top, left] = [cut(area.rows, rows), cut(area.columns, columns)];
  const shift = [area.rows[0], area.columns[0]];
  return panel({
    title,
    side: "copy",
    flat: model.flat,
    rows: top.map((i) => i - shift[0]),
    columns: left.map((j) => j - shift[1]),
    cell: (i, j) => ({
      text: sumAt(model, [i + shift[0], j + shift[1]]).total,
      kind: kind === "other" ? "onlytheirs" : "kept",
    }),
  });
}

// The chosen cell in words, with its numbers.
export function sentence(model, chosen) {
  const index = chosen.index;
  if (chosen.side === "input") {
    const value = at(model.x, ...index);
    const lit = active(model, chosen);
    const size = sizes(model.axes, model.output);
    const landed = lit[model.output].filter((each) => inside(size, each)).length;
    const lost = lit[model.output].length - landed;
    const tail = lost > 0 && model.transposed ? `; ${lost} more are cropped away` : "";
    const verb = model.transposed ? `stamps ${value} × kernel onto` : "is read by";
    return `input${name(model, index)} = ${value} ${verb} ${landed} output cell${landed === 1 ? "" : "s"}${tail}`;
  }
  const { terms, total } = sumAt(model, index);
  const label = inside(sizes(model.axes, model.output), index)
    ? `output${name(model, index)}`
    : `cropped${name(model, index)}`;
  if (terms.length === 0) return `${label} = 0: no stamp reaches it; it holds the bias alone`;
  const listed = terms.slice(0, 9);
  const more = terms.length > 9 ? ` + … (${terms.length} products)` : "";
  const words = listed.map(({ input, tap }) => `input${name(model, input)}·kernel${name(model, tap)}`).join(" + ");
  const numbers = listed.map(({ x, w }) => `${signed(x)}·${signed(w)}`).join(" + ");
  return `${label} = ${words}${more} = ${numbers}${more && " + …"} = ${total}`.replaceAll("-", "−");
}

function signed(value) {
  return value < 0 ? `(${value})` : `${value}`;
}
