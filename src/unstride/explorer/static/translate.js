// The same layer in the five frameworks' words, or why not; and the same words read by each of them.
import { after, full, span } from "./relation.js";
import { FRAMEWORKS, discord, read, write } from "./dialects.js";

const LIMITS = {
  keras: "padding is 'valid' or 'same', which splits the crop evenly and puts an odd element behind",
  torch: "padding crops as much after as before, and output_padding only gives back at the end",
  tensorflow: "its arguments have no such window",
  jax: "its arguments have no such window",
  onnx: "its arguments have no such window",
};

const every = (axes, setting) => axes.map(setting);

// Settings that may give the window, best first.
const PROPOSALS = {
  keras: (axes) =>
    [null, true].flatMap((given) =>
      ["same", "valid"].map((padding) =>
        every(axes, (axis) => {
          const kept = padding === "same" ? span(axis) % 2 : span(axis);
          const extra = axis.large - (axis.small - 1) * axis.stride - kept;
          return { padding, extra: given && extra, size: null };
        }),
      ),
    ),
  torch: (axes) => [
    every(axes, (axis) => ({
      padding: Math.max(axis.before, 0),
      extra: Math.max(axis.before - after(axis), 0),
      size: null,
    })),
  ],
  tensorflow: (axes) =>
    ["SAME", "VALID", null].map((word) =>
      every(axes, (axis) => ({
        padding: word ?? [axis.before, Math.max(after(axis), 0)],
        extra: null,
        size: axis.large,
      })),
    ),
  jax: (axes) =>
    ["SAME", "VALID", null].map((word) =>
      every(axes, (axis) => {
        const low = span(axis) - 1 - axis.before;
        const spaced = axis.small ? (axis.small - 1) * axis.stride + 1 : 0;
        return { padding: word ?? [low, axis.large + span(axis) - 1 - spaced - low], extra: null, size: null };
      }),
    ),
  onnx: (axes) => [
    every(axes, (axis) => ({
      padding: [axis.before, Math.max(after(axis), 0)],
      extra: Math.max(-after(axis), 0),
      size: null,
    })),
    ...["SAME_UPPER", "SAME_LOWER"].map((padding) => every(axes, () => ({ padding, extra: 0, size: null }))),
    every(axes, (axis) => ({ padding: [0, 0], extra: 0, size: axis.large })),
    ...["SAME_UPPER", "SAME_LOWER"].map((padding) => every(axes, (axis) => ({ padding, extra: 0, size: axis.large }))),
  ],
};

function gives(dialect, axes, settings) {
  return axes.every((axis, k) => {
    const found = read(dialect, axis, settings[k]);
    return found.large === axis.large && found.before === axis.before;
  });
}

// The settings with which a framework says exactly these axes; null where it cannot.
export function settingsFor(dialect, axes) {
  const found = PROPOSALS[dialect](axes).find(
    (settings) => discord(dialect, axes, settings) === null && gives(dialect, axes, settings),
  );
  return found ?? null;
}

// The crop to apply where one call does not do: the full extent first, if the framework can say that.
function composition(dialect, axes) {
  if (axes.some((axis) => axis.before < 0 || after(axis) < 0)) return null;
  const whole = axes.map((axis) => ({ ...axis, large: full(axis), before: 0 }));
  const settings = settingsFor(dialect, whole);
  if (!settings) return null;
  const cuts = axes.map((axis) => `${axis.before || ""}:${after(axis) ? -after(axis) : ""}`);
  const first = dialect === "torch" || dialect === "onnx";
  const slices = first ? [":", ":", ...cuts] : [":", ...cuts, ":"];
  return [`y = ${write(dialect, whole, settings)}`, `y = y[${slices.join(", ")}]`];
}

// The layer in every framework: {dialect, title, exact, code, refusal, composition, flipped}.
export function everywhere(axes) {
  return FRAMEWORKS.map(({ name, title }) => {
    const settings = settingsFor(name, axes);
    return {
      dialect: name,
      title,
      exact: settings !== null,
      code: settings && write(name, axes, settings),
      refusal: settings ? null : LIMITS[name],
      composition: settings ? null : composition(name, axes),
      flipped: name === "jax",
    };
  });
}

// What the words of one framework would be in another: words stay words, numbers stay numbers where both have them.
export function sameWords(dialect, axis, setting) {
  const word = typeof setting.padding === "string" ? setting.padding.toLowerCase().slice(0, 4) : null;
  const even = Array.isArray(setting.padding) ? setting.padding[0] === setting.padding[1] : true;
  if (!word && !even) return null;
  const half = Math.floor((span(axis) - 1) / 2);
  const number = word ? (word === "same" ? half : 0) : [setting.padding].flat()[0];
  const name = word ?? { 0: "valid", [half]: "same" }[number] ?? null;
  const extra = setting.extra ?? 0;
  const said = {
    keras: name && { padding: name === "same" ? "same" : "valid", extra: setting.extra || null, size: null },
    torch: { padding: number, extra, size: null },
    onnx: { padding: word === "same" ? "SAME_UPPER" : [number, number], extra, size: null },
    jax: word
      ? { padding: word === "same" ? "SAME" : "VALID", extra: null, size: null }
      : { padding: [number, number] },
  };
  return said[dialect] ?? null;
}
