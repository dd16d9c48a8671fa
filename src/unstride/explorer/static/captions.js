// One or two sentences under each view.
import { isEven } from "./relation.js";
import { matrixNote } from "./textbook.js";
import { phaseGain } from "./values.js";

function checkerboard(model) {
  const uneven = model.axes.find((axis) => !isEven(axis));
  const least = uneven ? Math.floor(uneven.kernel / uneven.stride) * uneven.stride : 0;
  const remedy = uneven && `${least > 0 ? `${least} or ` : ""}${least + uneven.stride}`;
  const cause = uneven
    ? `Uneven: kernel ${uneven.kernel} is no multiple of stride ${uneven.stride}, so neighbours collect different ` +
      `numbers of stamps: a checkerboard. Kernel ${remedy} would be even.`
    : "Even: away from the border, every output collects equally many stamps.";
  const [p, q] = model.axes.map((axis) => Math.min(axis.stride, 3));
  const gains = [];
  for (let i = 0; i < p; i += 1) for (let j = 0; j < q; j += 1) gains.push(phaseGain(model, [i, j]));
  const alike = gains.every((each) => each === gains[0]);
  const second = alike
    ? `The second cause, uneven weights, is absent as well: each phase of the kernel sums to ${gains[0]}.`
    : `A second cause is the weights themselves: the phases of this kernel sum to ${gains.join(", ")}, ` +
      "so a flat input comes out striped.";
  return `${cause} ${second}`.replaceAll("-", "−");
}

export function caption(view, model, other) {
  const steps =
    [...new Set(model.axes.filter((axis) => axis.large > 1).map(({ stride }) => stride))].join(" and ") || "1";
  if (view === "scatter") {
    return model.transposed
      ? `Scatter: each input number stamps number × kernel, ${steps} apart. Inside the green frame is what the output keeps.`
      : `Scatter: each input number goes into every output whose kernel covers it, ${steps} apart.`;
  }
  if (view === "gather") {
    return model.transposed
      ? "Gather: each output number collects the inputs whose stamps reach it, each times the kernel number it meets."
      : "Gather: each output number is the sum of the inputs under the kernel, each times the kernel number on it.";
  }
  if (view === "zeros") {
    const count = model.axes[1].stride - 1;
    const between =
      count === 0 ? "zeros around the inputs" : `${count} ${count === 1 ? "zero" : "zeros"} between the inputs`;
    return `The textbook's picture of the same numbers: ${between}, then the reversed kernel slides one step at a time.`;
  }
  if (view === "matrix") return `${matrixNote(model)} Read down the columns to scatter, along the rows to gather.`;
  if (view === "coverage") return checkerboard(model);
  return other ? other.text : "Every framework that has these words crops alike: there is nothing to compare.";
}
