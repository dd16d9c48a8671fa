// One spatial axis: large = stride·small + dilation·tap − before, and what follows from it. Exact integers.
// An axis is {small, large, kernel, stride, dilation, before}, as in Python's geometry.Axis.

export function floorDiv(a, b) {
  return Math.floor(a / b);
}

export function span(axis) {
  return axis.dilation * (axis.kernel - 1) + 1;
}

// Extent that all stamps together cover.
export function full(axis) {
  return (axis.small - 1) * axis.stride + span(axis);
}

// What is left of the full extent behind the large side; negative where no stamp reaches the end.
export function after(axis) {
  return full(axis) - axis.before - axis.large;
}

// The products that meet at one large index, in order of the tap; the index may lie outside the large side.
export function taps(axis, large) {
  const found = [];
  for (let tap = 0; tap < axis.kernel; tap += 1) {
    const reached = large + axis.before - axis.dilation * tap;
    const small = floorDiv(reached, axis.stride);
    if (small * axis.stride === reached && small >= 0 && small < axis.small) found.push({ small, tap, large });
  }
  return found;
}

// All products of one small index, in order of the tap, those outside the large side included.
export function stampAll(axis, small) {
  const origin = axis.stride * small - axis.before;
  return Array.from({ length: axis.kernel }, (_, tap) => ({ small, tap, large: origin + axis.dilation * tap }));
}

// The products of one small index that land inside the large side.
export function stamp(axis, small) {
  return stampAll(axis, small).filter(({ large }) => large >= 0 && large < axis.large);
}

export function coverage(axis, large) {
  return taps(axis, large).length;
}

// How many small indices meet one tap inside the large side.
function met(axis, tap) {
  const shift = axis.before - axis.dilation * tap;
  const first = Math.max(0, Math.ceil(shift / axis.stride));
  return Math.max(0, Math.min(axis.small, Math.ceil((axis.large + shift) / axis.stride)) - first);
}

// Number of (small, tap) pairs that land inside the large side.
export function products(axis) {
  let count = 0;
  for (let tap = 0; tap < axis.kernel; tap += 1) count += met(axis, tap);
  return count;
}

// The first and last of the `stride` large sizes that a convolution padded by `padding` in all maps to this small one.
export function largeSizes(axis, padding) {
  const least = full(axis) - padding;
  return [least, least + axis.stride - 1];
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

// Whether all phases have equally many taps, so that coverage does not alternate away from the borders.
export function isEven(axis) {
  return gcd(axis.stride, axis.dilation) === 1 && axis.kernel % axis.stride === 0;
}

export const TRIVIAL = Object.freeze({ small: 1, large: 1, kernel: 1, stride: 1, dilation: 1, before: 0 });
