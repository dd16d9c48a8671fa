// The state's layer and what of it is drawn: two axes, a window of each grid, the order of the steps.
import { discord, read } from "./dialects.js";
import { TRIVIAL, after, floorDiv, full, span } from "./relation.js";
import { inside, sides } from "./values.js";

const LIMITS = {
  flat: { small: 14, large: 24, kernel: 12 },
  square: { small: 7, large: 12, kernel: 7 },
};

// Kernels beyond this have too many taps to look at one by one.
export const KERNEL_LIMIT = 512;
export const SIZE_LIMIT = 1_000_000_000;

// A convolution: as many whole steps as fit into the padded input; none where not even the kernel does.
function forward(axis, [before, behind]) {
  const room = axis.large + before + behind - span(axis);
  return { small: Math.max(floorDiv(room, axis.stride) + 1, 0), before };
}

// The axes of the state, each {small, large, kernel, stride, dilation, before}; or {error} where the words forbid it.
export function axesOf(state) {
  const axes = [];
  for (const [k, { input, kernel, stride, dilation }] of state.axes.entries()) {
    const given = { kernel, stride, dilation };
    const setting = state.settings[k];
    const known = state.transposed ? { small: input, ...given } : { large: input, ...given };
    const found = state.transposed ? read(state.dialect, known, setting) : forward(known, setting.padding);
    if (found.error) return { error: found.error };
    axes.push({ ...known, ...found });
  }
  const error = state.transposed ? discord(state.dialect, axes, state.settings) : null;
  return error ? { error } : { axes };
}

function windowOf(low, high, limit, edges, atEnd) {
  if (high - low <= limit) return [low, high];
  if (atEnd) return [Math.min(high, edges[1] + 2) - limit, Math.min(high, edges[1] + 2)];
  return [Math.max(low, edges[0] - 2), Math.max(low, edges[0] - 2) + limit];
}

function windows(axis, limits, atEnd) {
  const [low, high] = [Math.min(-axis.before, 0), Math.max(full(axis) - axis.before, axis.large)];
  return {
    small: windowOf(0, axis.small, limits.small, [0, axis.small], atEnd),
    large: windowOf(low, high, limits.large, [0, axis.large], atEnd),
    kernel: windowOf(0, axis.kernel, limits.kernel, [0, axis.kernel], false),
    whole: { small: [0, axis.small], large: [low, high], kernel: [0, axis.kernel] },
  };
}

// How much of one long axis is drawn, for pictures of that width.
function limitsOf(flat, width) {
  if (!flat) return LIMITS.square;
  const most = Math.max(9, Math.floor((width - 30) / 27));
  return Object.fromEntries(Object.entries(LIMITS.flat).map(([name, limit]) => [name, Math.min(limit, most)]));
}

// What the views draw. `shown` names the two axes drawn of a 3-D layer.
export function modelOf(state, axes, width) {
  const pair = axes.length === 1 ? [null, 0] : axes.length === 2 ? [0, 1] : state.shown;
  const drawn = pair.map((k) => (k === null ? TRIVIAL : axes[k]));
  const flat = axes.length === 1;
  const [high, wide] = drawn.map((axis, k) => windows(axis, limitsOf(flat && k === 1, width), state.atEnd));
  const range = (name) => ({ rows: high[name], columns: wide[name], whole: [high.whole[name], wide.whole[name]] });
  const model = {
    axes: drawn,
    places: pair,
    transposed: state.transposed,
    x: state.x,
    w: state.w,
    flat,
    ranges: { small: range("small"), large: range("large"), kernel: range("kernel") },
    ...sides(state.transposed),
  };
  model.elided = ["small", "large", "kernel"].some((name) => Object.keys(moreOf(model.ranges[name])).length > 0);
  return model;
}

// Which ends of a range are left out.
export function moreOf({ rows, columns, whole: [allRows, allColumns] }) {
  const found = {};
  if (columns[1] < allColumns[1]) found.right = true;
  if (columns[0] > allColumns[0]) found.left = true;
  if (rows[1] < allRows[1]) found.bottom = true;
  if (rows[0] > allRows[0]) found.top = true;
  return found;
}

// The drawn elements of a side that exist, in reading order.
export function order(model, side) {
  const { rows, columns } = model.ranges[side];
  const size = model.axes.map((axis) => axis[side]);
  const found = [];
  for (let i = Math.max(rows[0], 0); i < rows[1]; i += 1) {
    for (let j = Math.max(columns[0], 0); j < columns[1]; j += 1) if (inside(size, [i, j])) found.push([i, j]);
  }
  return found;
}

export function name(model, [i, j]) {
  return model.flat ? `[${j}]` : `[${i}, ${j}]`;
}

export function times(sizes) {
  return sizes.map((each) => each.toLocaleString("en")).join(" × ");
}

export function sizeOf(axes, side) {
  return axes.map((axis) => axis[side]);
}

// Before and after of an axis in words, for a transposed convolution and for a convolution.
export function edges(axis, transposed) {
  const behind = after(axis);
  const verb = transposed ? ["cropped", "added"] : ["padded", "skipped"];
  const part = (count, side) => (count < 0 ? `${-count} ${verb[1]} ${side}` : `${count} ${verb[0]} ${side}`);
  return `${part(axis.before, "before")}, ${part(behind, "after")}`;
}
