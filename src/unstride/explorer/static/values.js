// Numbers on cells: a two-axis layer with one channel, its input and kernel given as rows of integers that repeat.
import { span, stampAll, taps } from "./relation.js";

// The user's number at (i, j): the rows repeat where the grid is larger.
export function at(rows, i, j) {
  const row = rows[i % rows.length];
  return row[j % row.length];
}

// The products of one element: `side` is "small" or "large", `index` [i, j], which may lie outside the large side.
// Each is {small: [i, j], tap: [s, t], large: [m, n]}, in order of the taps.
export function meetings(axes, side, index) {
  const each = axes.map((axis, k) => (side === "small" ? stampAll(axis, index[k]) : taps(axis, index[k])));
  const found = [];
  for (const row of each[0]) {
    for (const column of each[1]) {
      found.push({
        small: [row.small, column.small],
        tap: [row.tap, column.tap],
        large: [row.large, column.large],
      });
    }
  }
  return found;
}

export function inside(size, index) {
  return index.every((each, k) => each >= 0 && each < size[k]);
}

export function sizes(axes, side) {
  return axes.map((axis) => axis[side]);
}

// Which side the operation reads and which it writes.
export function sides(transposed) {
  return transposed ? { input: "small", output: "large" } : { input: "large", output: "small" };
}

// The sum at one output element: its terms {input, tap, x, w} and their total. A convolution's padding holds zeros.
export function sumAt(layer, index) {
  const { input, output } = sides(layer.transposed);
  const size = sizes(layer.axes, input);
  const terms = meetings(layer.axes, output, index).map((each) => ({
    input: each[input],
    tap: each.tap,
    x: inside(size, each[input]) ? at(layer.x, ...each[input]) : 0,
    w: at(layer.w, ...each.tap),
  }));
  return { terms, total: terms.reduce((sum, { x, w }) => sum + x * w, 0) };
}

// The sum of the terms whose input element comes no later than `last` in reading order.
export function sumUpTo(layer, index, last) {
  const { terms } = sumAt(layer, index);
  return terms.reduce((sum, { input, x, w }) => (isAfter(input, last) ? sum : sum + x * w), 0);
}

// Whether element `a` comes after `b` in reading order.
export function isAfter(a, b) {
  return a[0] > b[0] || (a[0] === b[0] && a[1] > b[1]);
}

// The kernel's number that joins an input and an output element, or null where none does.
export function weightBetween(layer, small, large) {
  const tap = layer.axes.map((axis, k) => {
    const reach = large[k] + axis.before - axis.stride * small[k];
    const found = Math.floor(reach / axis.dilation);
    return found * axis.dilation === reach && found >= 0 && found < axis.kernel ? found : -1;
  });
  return Math.min(...tap) < 0 ? null : at(layer.w, ...tap);
}

// The sum of the kernel's numbers that meet at a large element: what a constant input of ones becomes there.
export function gainAt(layer, index) {
  return meetings(layer.axes, "large", index).reduce((sum, { tap }) => sum + at(layer.w, ...tap), 0);
}

// For one phase, the sum of all its taps, borders aside.
export function phaseGain(layer, remainders) {
  const lists = layer.axes.map((axis, k) =>
    Array.from({ length: axis.kernel }, (_, tap) => tap).filter(
      (tap) => (axis.dilation * tap - remainders[k]) % axis.stride === 0,
    ),
  );
  let sum = 0;
  for (const s of lists[0]) for (const t of lists[1]) sum += at(layer.w, s, t);
  return sum;
}

// The kernel's extent on the large side.
export function spans(axes) {
  return axes.map(span);
}
