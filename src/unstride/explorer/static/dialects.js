// The words of five frameworks for a transposed convolution: settings of one axis -> {large, before}, and back to a line.
// A setting is {padding, extra, size}: a word, a number or a [before, after] pair; output padding; output size.
// Python's dialects are the truth; the tests hold both against each other on every recorded line.
import { full, span } from "./relation.js";

export const FRAMEWORKS = [
  { name: "keras", title: "Keras 3" },
  { name: "torch", title: "PyTorch" },
  { name: "tensorflow", title: "TensorFlow" },
  { name: "jax", title: "JAX" },
  { name: "onnx", title: "ONNX" },
];

const refuse = (reason) => ({ error: reason });
const spelled = (least, most) => (least === most ? `${least}` : `${least}…${most}`);
const impossible = (least, most) => refuse(`output_shape can only be ${spelled(least, most)} for this input`);

function cropped(axis, before, behind, extra = 0) {
  const large = full(axis) - before - behind + extra;
  return large < 0 ? refuse("the output would have a negative size") : { large, before };
}

// The frameworks that reject an output without an element.
function filled(found) {
  return found.large === 0 ? refuse("the output would be empty") : found;
}

function multiplied(axis) {
  return { large: axis.small * axis.stride, before: Math.floor(Math.max(span(axis) - axis.stride, 0) / 2) };
}

function extended(axis) {
  return { large: (axis.small - 1) * axis.stride + Math.max(span(axis), axis.stride), before: 0 };
}

function readKeras(axis, { padding, extra }) {
  if (extra === null) return padding === "same" ? multiplied(axis) : extended(axis);
  if (extra < 0 || extra >= axis.stride)
    return refuse(`output_padding must be smaller than strides, here ${axis.stride}`);
  if (padding !== "same") return cropped(axis, 0, 0, extra);
  const large = full(axis) - 2 * Math.floor(span(axis) / 2) + extra;
  if (large < 0) return refuse("the output would have a negative size");
  return { large, before: Math.floor(Math.max(full(axis) - large, 0) / 2) };
}

function readTorch(axis, { padding, extra, size }) {
  const limit = Math.max(axis.stride, axis.dilation);
  let given = extra;
  if (size !== null) {
    const least = full(axis) - 2 * padding;
    if (size < least || size >= least + axis.stride) {
      return refuse(`output_size can only be ${spelled(least, least + axis.stride - 1)} for this input`);
    }
    given = size - least;
  }
  if (given >= limit)
    return refuse(`output_padding must be smaller than either stride or dilation, here below ${limit}`);
  return filled(cropped(axis, padding, padding, given));
}

function readTensorflow(axis, { padding, size }) {
  if (padding === "SAME") {
    const large = size ?? axis.small * axis.stride;
    const least = (axis.small - 1) * axis.stride + 1;
    if (large < least || large > axis.small * axis.stride) return impossible(least, axis.small * axis.stride);
    return { large, before: Math.floor(Math.max(full(axis) - large, 0) / 2) };
  }
  const [before, behind] = padding === "VALID" ? [0, 0] : padding;
  const usual = full(axis) - before - behind;
  const large = size ?? usual;
  const least = padding === "VALID" && axis.small === 1 ? usual - axis.stride + 1 : usual;
  if (large < 0) return refuse("the output would have a negative size");
  return large < least || large >= usual + axis.stride ? impossible(least, usual + axis.stride - 1) : { large, before };
}

function readJax(axis, { padding }) {
  if (padding === "SAME") return multiplied(axis);
  if (padding === "VALID") return extended(axis);
  const edge = span(axis) - 1;
  const spaced = axis.small ? (axis.small - 1) * axis.stride + 1 : 0;
  if (spaced + padding[0] + padding[1] < 0) return refuse("negative padding must not remove more than there is");
  return { large: Math.max(spaced + padding[0] + padding[1] - edge, 0), before: edge - padding[0] };
}

function readOnnx(axis, { padding, extra, size }) {
  if (extra >= axis.stride) return refuse(`output_padding must be smaller than the stride, here ${axis.stride}`);
  const word = typeof padding === "string";
  if (size === null && !word) return filled(cropped(axis, padding[0], padding[1], extra));
  const large = size === null ? axis.small * axis.stride : size;
  if (size !== null && large >= full(axis) + axis.stride) {
    return refuse(`output_shape can be at most ${full(axis) + axis.stride - 1} for this input`);
  }
  const total = Math.max(full(axis) + extra - large, 0);
  const before = padding === "SAME_UPPER" ? Math.floor(total / 2) : Math.ceil(total / 2);
  return filled(size === null ? cropped(axis, before, total - before, extra) : { large, before });
}

function readFree(axis, { padding }) {
  return cropped(axis, padding[0], padding[1]);
}

const READERS = {
  keras: readKeras,
  torch: readTorch,
  tensorflow: readTensorflow,
  jax: readJax,
  onnx: readOnnx,
  "": readFree,
};

// What a framework makes of one axis {small, kernel, stride, dilation}: {large, before}, or {error}.
export function read(dialect, axis, setting) {
  return READERS[dialect](axis, setting);
}

const isWord = (value) => typeof value === "string";

// What the axes of one call must have in common; null where they do, else why not.
export function discord(dialect, axes, settings) {
  const most = (name) => Math.max(...axes.map((axis) => axis[name]));
  const [first] = settings;
  const words = settings.some(({ padding }) => isWord(padding) && padding !== first.padding);
  const kinds = settings.some(({ padding }) => isWord(padding) !== isWord(first.padding));
  const given = ["extra", "size"].some((name) =>
    settings.some((each) => (each[name] === null) !== (first[name] === null)),
  );
  if (words || kinds) return "one padding word stands for all axes";
  if (given) return "an argument is given for all axes or for none";
  if (dialect === "keras" && most("stride") > 1 && most("dilation") > 1) {
    return "strides > 1 and dilation_rate > 1 are not supported together";
  }
  if (dialect === "tensorflow" && !isWord(first.padding)) {
    if (axes.length !== 2 || most("dilation") > 1) return "padding as numbers is for 2-D without dilation only";
  }
  const least = Math.min(...settings.flatMap(({ padding }) => (isWord(padding) ? 0 : padding)));
  return least < 0 && !["jax", ""].includes(dialect) ? "padding must not be negative" : null;
}

// --- a line -------------------------------------------------------------------------------------------------------

const listed = (values, open = "(", close = ")") =>
  `${open}${values.join(", ")}${values.length === 1 && open === "(" ? "," : ""}${close}`;
const compact = (values) => (values.every((value) => value === values[0]) ? `${values[0]}` : listed(values));
const pairs = (values) => listed(values.map((pair) => listed(pair)));
const call = (name, ...parts) => `${name}(${parts.filter((part) => part !== "").join(", ")})`;
const unless = (standard, name, values, write = compact) =>
  values.every((value) => value === standard) ? "" : `${name}=${write(values)}`;

function writeKeras(layer, settings) {
  const { kernel, stride, dilation, rank } = layer;
  return call(
    `keras.layers.Conv${rank}DTranspose`,
    "1",
    compact(kernel),
    unless(1, "strides", stride),
    settings[0].padding === "same" ? "padding='same'" : "",
    unless(
      null,
      "output_padding",
      settings.map(({ extra }) => extra),
    ),
    unless(1, "dilation_rate", dilation),
  );
}

function writeTorch(layer, settings) {
  const { kernel, stride, dilation, rank } = layer;
  const size = settings.map((each) => each.size);
  const line = call(
    `torch.nn.ConvTranspose${rank}d`,
    "1",
    "1",
    compact(kernel),
    unless(1, "stride", stride),
    unless(
      0,
      "padding",
      settings.map(({ padding }) => padding),
    ),
    size[0] === null
      ? unless(
          0,
          "output_padding",
          settings.map(({ extra }) => extra),
        )
      : "",
    unless(1, "dilation", dilation),
  );
  return size[0] === null ? line : `${line}(x, output_size=${listed(size)})`;
}

function writeTensorflow(layer, settings) {
  const { stride, dilation, rank, large } = layer;
  const { padding } = settings[0];
  const explicit = () => pairs([[0, 0], ...settings.map((each) => each.padding), [0, 0]]);
  return call(
    `tf.nn.conv${rank}d_transpose`,
    "x",
    "filters",
    listed([1, ...large, 1]),
    compact(stride),
    padding === "SAME" ? "" : `padding=${isWord(padding) ? `'${padding}'` : explicit()}`,
    unless(1, "dilations", dilation),
  );
}

function writeJax(layer, settings) {
  const { padding } = settings[0];
  return call(
    "jax.lax.conv_transpose",
    "x",
    "w",
    listed(layer.stride),
    isWord(padding) ? `'${padding}'` : pairs(settings.map((each) => each.padding)),
    unless(1, "rhs_dilation", layer.dilation, listed),
  );
}

function writeOnnx(layer, settings) {
  const list = (values) => listed(values, "[", "]");
  const { padding, size } = settings[0];
  const ends = isWord(padding) ? [] : [0, 1].flatMap((end) => settings.map((each) => each.padding[end]));
  return call(
    "ConvTranspose",
    "X",
    "W",
    "B",
    isWord(padding) ? `auto_pad='${padding}'` : "",
    unless(1, "dilations", layer.dilation, list),
    unless(
      0,
      "output_padding",
      settings.map(({ extra }) => extra),
      list,
    ),
    size === null ? "" : `output_shape=${list(settings.map((each) => each.size))}`,
    unless(0, "pads", ends, list),
    unless(1, "strides", layer.stride, list),
  );
}

const WRITERS = { keras: writeKeras, torch: writeTorch, tensorflow: writeTensorflow, jax: writeJax, onnx: writeOnnx };

// The framework's line for these axes and settings; null where no framework is chosen.
export function write(dialect, axes, settings) {
  const column = (name) => axes.map((axis) => axis[name]);
  const numbers = Object.fromEntries(["kernel", "stride", "dilation", "large"].map((name) => [name, column(name)]));
  return dialect ? WRITERS[dialect]({ ...numbers, rank: axes.length }, settings) : null;
}
