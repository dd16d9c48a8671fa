// What the page shows: one plain object, its start, its changes, and its form in the address.
import { settingsFor, sameWords } from "./translate.js";
import { axesOf, KERNEL_LIMIT, SIZE_LIMIT } from "./model.js";
import { after } from "./relation.js";

export const VIEWS = ["scatter", "gather", "zeros", "matrix", "coverage", "compare"];

// The question that began it: a 2 × 2 input, a 3 × 3 kernel, stride 2, Keras's "same".
export function start() {
  return {
    dialect: "keras",
    transposed: true,
    axes: twice({ input: 2, kernel: 3, stride: 2, dilation: 1 }),
    settings: twice({ padding: "same", extra: 1, size: null }),
    apart: false,
    line: null,
    x: [
      [2, 1],
      [3, 2],
    ],
    w: [
      [1, 2, 1],
      [2, 0, 1],
      [0, 2, 1],
    ],
    view: "scatter",
    other: 0,
    atEnd: false,
    shown: [1, 2],
    step: null,
  };
}

function twice(value) {
  return [{ ...value }, { ...value }];
}

export const FREE = Object.freeze({ padding: [0, 0], extra: null, size: null });

const DEFAULTS = {
  keras: { padding: "valid", extra: null, size: null },
  torch: { padding: 0, extra: 0, size: null },
  tensorflow: { padding: "SAME", extra: null, size: null },
  jax: { padding: "SAME", extra: null, size: null },
  onnx: { padding: [0, 0], extra: 0, size: null },
  "": FREE,
};

// The state with another number of axes; new ones are like the last.
export function withRank(state, rank) {
  const stretch = (list) => Array.from({ length: rank }, (_, k) => ({ ...(list[k] ?? list[list.length - 1]) }));
  return { ...state, axes: stretch(state.axes), settings: stretch(state.settings), line: null, step: null };
}

// Settings that give these axes by their crops alone.
export function freely(axes, transposed) {
  return axes.map((axis) => {
    const behind = after(axis);
    return { ...FREE, padding: [axis.before, transposed ? behind : Math.max(behind, 0)] };
  });
}

// The state in another framework: the same layer where it can say it, else the same words, else its defaults.
export function withDialect(state, dialect) {
  const { axes } = axesOf(state);
  const next = { ...state, dialect, transposed: true, line: null, step: null };
  if (axes && state.transposed && dialect === "") return { ...next, settings: freely(axes, true) };
  const settings = (axes && state.transposed && dialect && settingsFor(dialect, axes)) || spoken(state, dialect, axes);
  return { ...next, settings };
}

function spoken(state, dialect, axes) {
  return state.settings.map((setting, k) => {
    const said = axes && state.dialect !== "" ? sameWords(dialect, axes[k], setting) : null;
    return { ...DEFAULTS[dialect], ...said };
  });
}

// The state with the layer of an answer: its line, its axes, and its settings where the page has controls for them.
export function withAnswer(state, answer, line) {
  const axes = answer.axes.map(({ small, large, kernel, stride, dilation }) => ({
    input: answer.transposed ? small : large,
    kernel,
    stride,
    dilation,
  }));
  const base = { ...state, axes, transposed: answer.transposed, line, step: null, other: 0, apart: isApart(answer) };
  const dialect = answer.transposed ? answer.dialect : "";
  const spelled = answer.settings && { ...base, dialect, settings: answer.settings };
  if (spelled && gives(spelled, answer.axes)) return spelled;
  return { ...base, dialect: "", settings: freely(answer.axes, answer.transposed) };
}

function isApart({ axes, settings }) {
  const alike = (list) => list.every((each) => JSON.stringify(each) === JSON.stringify(list[0]));
  return !(alike(axes) && (!settings || alike(settings)));
}

function gives(state, wanted) {
  const { axes } = axesOf(state);
  const same = (axis, k) => ["small", "large", "before"].every((name) => axis[name] === wanted[k][name]);
  return Boolean(axes) && axes.every(same);
}

// --- the address --------------------------------------------------------------------------------------------------

const join = (values) =>
  values.map((value) => (value === null ? "" : Array.isArray(value) ? value.join(":") : value)).join(",");
const table = (rows) => rows.map((row) => row.join(",")).join(";");

export function toAddress(state) {
  const column = (name) => join(state.axes.map((axis) => axis[name]));
  const setting = (name) => join(state.settings.map((each) => each[name]));
  const said = new URLSearchParams({
    f: state.dialect,
    n: column("input"),
    k: column("kernel"),
    s: column("stride"),
    d: column("dilation"),
    p: setting("padding"),
    o: setting("extra"),
    z: setting("size"),
    x: table(state.x),
    w: table(state.w),
    v: state.view,
  });
  if (!state.transposed) said.set("t", "0");
  if (state.line) said.set("line", state.line);
  if (state.step !== null) said.set("i", state.step);
  if (state.other) said.set("c", state.other);
  return said.toString();
}

const integer = (text, least, most) =>
  /^-?\d+$/.test(text) && Number(text) >= least && Number(text) <= most ? Number(text) : null;

function column(said, name, least, most) {
  const found = (said.get(name) ?? "").split(",").map((text) => integer(text, least, most));
  return found.length <= 3 && !found.includes(null) ? found : null;
}

function word(text) {
  if (text === "") return null;
  if (text.includes(":")) {
    const pair = text.split(":").map((part) => integer(part, -SIZE_LIMIT, SIZE_LIMIT));
    return pair.length === 2 && !pair.includes(null) ? pair : undefined;
  }
  return integer(text, -SIZE_LIMIT, SIZE_LIMIT) ?? (/^[A-Za-z_]{1,16}$/.test(text) ? text : undefined);
}

function numbers(text) {
  const rows = (text ?? "").split(";").map((row) => row.split(",").map((entry) => integer(entry, -999, 999)));
  const fine = rows.length <= 32 && rows.every((row) => row.length <= 32 && !row.includes(null));
  return fine ? rows : null;
}

const PADDINGS = {
  keras: (p) => p === "same" || p === "valid",
  torch: (p) => Number.isInteger(p) && p >= 0,
  tensorflow: (p) => p === "SAME" || p === "VALID" || Array.isArray(p),
  jax: (p) => p === "SAME" || p === "VALID" || Array.isArray(p),
  onnx: (p) => p === "SAME_UPPER" || p === "SAME_LOWER" || Array.isArray(p),
  "": Array.isArray,
};

function settingsFrom(said, dialect, rank) {
  const columns = ["p", "o", "z"].map((name) => (said.get(name) ?? "").split(",").map(word));
  if (columns.some((each) => each.length !== rank || each.includes(undefined))) return null;
  const [p, o, z] = columns;
  const found = p.map((padding, k) => ({ padding, extra: o[k], size: z[k] }));
  const fine = found.every(({ padding, extra, size }) => {
    const whole = [extra, size].every((each) => each === null || Number.isInteger(each));
    const extras = ["torch", "onnx"].includes(dialect) ? extra !== null && extra >= 0 : true;
    return PADDINGS[dialect](padding) && whole && extras;
  });
  return fine ? found : null;
}

// The state that an address holds; what it lacks or garbles is as at the start.
export function fromAddress(text) {
  const said = new URLSearchParams(text);
  const state = start();
  const dialect = said.get("f") ?? state.dialect;
  const named = {
    input: column(said, "n", 1, SIZE_LIMIT),
    kernel: column(said, "k", 1, KERNEL_LIMIT),
    stride: column(said, "s", 1, SIZE_LIMIT),
    dilation: column(said, "d", 1, SIZE_LIMIT),
  };
  const rank = named.input?.length;
  const whole = Object.values(named).every((each) => each?.length === rank);
  const settings = whole && dialect in PADDINGS ? settingsFrom(said, dialect, rank) : null;
  if (settings) {
    state.axes = named.input.map((_, k) =>
      Object.fromEntries(Object.entries(named).map(([name, values]) => [name, values[k]])),
    );
    Object.assign(state, { dialect, settings, transposed: dialect !== "" || said.get("t") !== "0" });
    const alike = (list) => list.every((each) => JSON.stringify(each) === JSON.stringify(list[0]));
    state.apart = !(alike(state.axes) && alike(state.settings));
  }
  const shown = VIEWS.includes(said.get("v")) ? said.get("v") : state.view;
  const step = integer(said.get("i") ?? "", 0, 10_000);
  const line = (said.get("line") ?? "").slice(0, 10_000) || null;
  const other = integer(said.get("c") ?? "", 0, 100) ?? 0;
  return {
    ...state,
    view: shown,
    step,
    line,
    other,
    x: numbers(said.get("x")) ?? state.x,
    w: numbers(said.get("w")) ?? state.w,
  };
}
