// The controls: the framework, and for each axis the sizes and the framework's own arguments.
import { html, unique } from "./elements.js";
import { FRAMEWORKS } from "./dialects.js";
import { KERNEL_LIMIT, SIZE_LIMIT, axesOf } from "./model.js";
import { FREE, withDialect, withRank } from "./state.js";

const WORDS = {
  keras: { kernel: "kernel_size", stride: "strides", dilation: "dilation_rate" },
  torch: { kernel: "kernel_size", stride: "stride", dilation: "dilation" },
  tensorflow: { kernel: "kernel", stride: "strides", dilation: "dilations" },
  jax: { kernel: "kernel", stride: "strides", dilation: "rhs_dilation" },
  onnx: { kernel: "kernel", stride: "strides", dilation: "dilations" },
  "": { kernel: "kernel", stride: "stride", dilation: "dilation" },
};
const AXES = { 1: ["length"], 2: ["height", "width"], 3: ["depth", "height", "width"] };

const CHOICES = {
  keras: ["valid", "same"],
  tensorflow: ["SAME", "VALID", "numbers"],
  jax: ["SAME", "VALID", "numbers"],
  onnx: ["numbers", "SAME_UPPER", "SAME_LOWER"],
};
const SIZE_WORDS = { torch: "output_size", tensorflow: "output_shape", onnx: "output_shape" };

// One change of one axis, or of all where they go together; a size asked for belongs to the numbers it was asked with.
function changed(state, k, part, value) {
  const setting = part === "axes" ? { ...value.setting, size: null } : value;
  const touch = (list, own) => list.map((each, index) => (index === k || !state.apart ? { ...each, ...own } : each));
  const axes = part === "axes" ? touch(state.axes, value.axis) : state.axes;
  return { ...state, axes, settings: touch(state.settings, setting), line: null, step: null };
}

// The same arguments on every axis: a word stands for all of them.
function onAll(own) {
  return (state) => ({
    ...state,
    settings: state.settings.map((each) => ({ ...each, size: null, ...own })),
    line: null,
    step: null,
  });
}

// An argument of axis `k` that is given for all axes or for none; axes without it get `usual`.
function forAll(k, name, value, usual) {
  return (state) => {
    const settings = state.settings.map((each, index) => {
      if (value === null) return { ...each, [name]: null };
      return { ...each, [name]: index === k || !state.apart ? value : (each[name] ?? usual(state, index)) };
    });
    return { ...state, settings, line: null, step: null };
  };
}

function ranged(label, [least, slideTo, most], get, set) {
  return { kind: "range", label, least, slideTo, most, get, set };
}

// The fields of one axis, as the state has them.
function fieldsOf(state, k) {
  const words = WORDS[state.dialect];
  const setting = state.settings[k];
  const axis = (name) => (value) => (now) => changed(now, k, "axes", { axis: { [name]: value }, setting: {} });
  const given = (own) => (now) => changed(now, k, "settings", { size: null, ...own });
  const fields = [
    ranged("input size", [1, 12, SIZE_LIMIT], (now) => now.axes[k].input, axis("input")),
    ranged(words.kernel, [1, 9, KERNEL_LIMIT], (now) => now.axes[k].kernel, axis("kernel")),
    ranged(words.stride, [1, 8, SIZE_LIMIT], (now) => now.axes[k].stride, axis("stride")),
    ranged(words.dilation, [1, 5, SIZE_LIMIT], (now) => now.axes[k].dilation, axis("dilation")),
  ];
  const { dialect } = state;
  if (CHOICES[dialect]) fields.push(paddingChoice(dialect, k));
  if (dialect === "torch") {
    fields.push(
      ranged(
        "padding",
        [0, 8, SIZE_LIMIT],
        (now) => now.settings[k].padding,
        (value) => given({ padding: value }),
      ),
    );
  }
  if (Array.isArray(setting.padding)) fields.push(...pairFields(state, k, given));
  fields.push(...extraFields(state, k, given));
  if (SIZE_WORDS[dialect]) fields.push(sizeField(SIZE_WORDS[dialect], k));
  return fields;
}

function paddingChoice(dialect, k) {
  const word = (now) => (Array.isArray(now.settings[k].padding) ? "numbers" : now.settings[k].padding);
  const label = dialect === "onnx" ? "auto_pad" : "padding";
  const set = (value) => onAll({ padding: value === "numbers" ? [...FREE.padding] : value });
  return { kind: "select", label, options: CHOICES[dialect].map((each) => [each, each]), get: word, set };
}

function pairFields(state, k, given) {
  const verb = state.transposed ? "crop" : "pad";
  const labels = { jax: ["padding, low", "padding, high"], onnx: ["pads, begin", "pads, end"] }[state.dialect];
  return (labels ?? [`${verb} before`, `${verb} after`]).map((label, side) => {
    const least = ["jax", ""].includes(state.dialect) ? -4 : 0;
    const set = (value) => (now) => {
      const padding = [...now.settings[k].padding];
      padding[side] = value;
      return given({ padding })(now);
    };
    return ranged(label, [least, 8, SIZE_LIMIT], (now) => now.settings[k].padding[side], set);
  });
}

function extraFields(state, k, given) {
  const { stride, dilation } = state.axes[k];
  if (state.dialect === "keras") {
    const options = [
      ["", "None"],
      ...Array.from({ length: Math.min(stride, 64) }, (_, each) => [`${each}`, `${each}`]),
    ];
    const get = (now) => `${now.settings[k].extra ?? ""}`;
    const set = (value) => forAll(k, "extra", value === "" ? null : Number(value), () => 0);
    return [{ kind: "select", label: "output_padding", options, get, set }];
  }
  if (!["torch", "onnx"].includes(state.dialect)) return [];
  const most = (state.dialect === "torch" ? Math.max(stride, dilation) : stride) - 1;
  const set = (value) => given({ extra: value });
  return [ranged("output_padding", [0, Math.max(most, 1), SIZE_LIMIT], (now) => now.settings[k].extra, set)];
}

function sizeField(label, k) {
  const set = (value) => forAll(k, "size", value, (state, index) => axesOf(state).axes?.[index].large ?? value);
  return { kind: "optional", label, get: (now) => now.settings[k].size ?? "", set };
}

// --- elements -----------------------------------------------------------------------------------------------------

function rangeField(field, act, prefix) {
  const id = unique("field");
  const name = `${prefix}${field.label}`;
  const slider = html("input", {
    type: "range",
    id,
    min: `${field.least}`,
    max: `${field.slideTo}`,
    "aria-label": name,
  });
  const number = html("input", {
    type: "number",
    min: `${field.least}`,
    max: `${field.most}`,
    "aria-label": `${name}, as a number`,
  });
  const take = (input) => () => {
    const value = Number(input.value);
    const fine =
      input.value !== "" &&
      Number.isInteger(value) &&
      value >= Math.min(field.least, -field.most) &&
      value <= field.most;
    number.setAttribute("aria-invalid", String(!fine || (field.least >= 0 && value < field.least)));
    if (fine && (field.least < 0 || value >= field.least)) act(field.set(value));
  };
  slider.addEventListener("input", take(slider));
  number.addEventListener("input", take(number));
  const show = (state) => {
    const value = field.get(state);
    slider.value = `${value}`;
    if (document.activeElement !== number || Number(number.value) !== value) number.value = `${value}`;
    number.setAttribute("aria-invalid", "false");
  };
  return { element: html("div", { class: "field" }, html("label", { for: id }, field.label), slider, number), show };
}

function selectField(field, act, prefix) {
  const id = unique("field");
  const options = field.options.map(([value, text]) => html("option", { value }, text));
  const choice = html(
    "select",
    { id, "aria-label": `${prefix}${field.label}`, onchange: () => act(field.set(choice.value)) },
    ...options,
  );
  const show = (state) => (choice.value = field.get(state));
  return { element: html("div", { class: "field" }, html("label", { for: id }, field.label), choice), show };
}

function optionalField(field, act, prefix) {
  const id = unique("field");
  const number = html("input", {
    type: "number",
    id,
    min: "0",
    placeholder: "as inferred",
    "aria-label": `${prefix}${field.label}`,
  });
  number.addEventListener("input", () => {
    const value = Number(number.value);
    if (number.value === "") act(field.set(null));
    else if (Number.isInteger(value) && value >= 0 && value <= SIZE_LIMIT * 1000) act(field.set(value));
  });
  const show = (state) => {
    if (document.activeElement !== number) number.value = `${field.get(state)}`;
  };
  return { element: html("div", { class: "field wide" }, html("label", { for: id }, field.label), number), show };
}

const MAKERS = { range: rangeField, select: selectField, optional: optionalField };

function shape(state) {
  const fields = state.axes.map((_, k) =>
    fieldsOf(state, k).map(({ label, options, slideTo, least }) => [label, options, slideTo, least]),
  );
  return JSON.stringify([state.dialect, state.transposed, state.apart, fields]);
}

function frameworkField(act) {
  const options = [
    ...FRAMEWORKS.map(({ name, title }) => [name, title]),
    ["", "none: crop by hand"],
    ["forward", "none: a convolution"],
  ];
  const get = (state) => (state.transposed ? state.dialect : "forward");
  const set = (value) => (state) => (value === "forward" ? backwards(state) : withDialect(forwards(state), value));
  return selectField({ label: "framework", options, get, set }, act, "");
}

// The state as a convolution that undoes the size, and back.
function backwards(state) {
  const free = withDialect(state, "");
  const clipped = free.settings.map(({ padding }) => ({ ...FREE, padding: padding.map((each) => Math.max(each, 0)) }));
  const axes = free.axes.map((axis) => ({
    ...axis,
    input: Math.max(axis.input * axis.stride, axis.dilation * (axis.kernel - 1) + 1),
  }));
  return { ...free, axes, settings: clipped, transposed: false };
}

function forwards(state) {
  if (state.transposed) return state;
  return {
    ...state,
    transposed: true,
    axes: state.axes.map((axis) => ({ ...axis, input: Math.max(1, Math.floor(axis.input / axis.stride)) })),
  };
}

function axesFields(state, act) {
  const names = AXES[state.axes.length];
  const shown = state.apart ? names : [names.length === 1 ? names[0] : `every axis (${names.join(", ")})`];
  return shown.map((title, k) => {
    const made = fieldsOf(state, k).map((field) => MAKERS[field.kind](field, act, state.apart ? `${title}: ` : ""));
    return { made, element: html("fieldset", {}, html("legend", {}, title), ...made.map(({ element }) => element)) };
  });
}

// The controls; `act` takes a function from the state to the next.
export function controls(act) {
  const framework = frameworkField(act);
  const rank = selectField(
    {
      label: "axes",
      options: [
        ["1", "1-D"],
        ["2", "2-D"],
        ["3", "3-D"],
      ],
      get: (state) => `${state.axes.length}`,
      set: (value) => (state) => withRank(state, Number(value)),
    },
    act,
    "",
  );
  const apart = html("input", { type: "checkbox", onchange: () => act((state) => separated(state, apart.checked)) });
  const place = html("div", { class: "axes" });
  const apartRow = html("label", { class: "check" }, apart, " set each axis by itself");
  const element = html("div", { class: "controls" }, framework.element, rank.element, place, apartRow);
  let [built, made] = ["", []];
  const show = (state) => {
    if (shape(state) !== built) {
      const sets = axesFields(state, act);
      keepFocus(place, () => place.replaceChildren(...sets.map((each) => each.element)));
      [built, made] = [shape(state), sets.flatMap((each) => each.made)];
    }
    for (const each of [framework, rank, ...made]) each.show(state);
    apart.checked = state.apart;
    apartRow.hidden = state.axes.length === 1;
  };
  return { element, show };
}

function separated(state, apart) {
  if (apart) return { ...state, apart };
  const alike = (list) => list.map(() => ({ ...list[0] }));
  return { ...state, apart, axes: alike(state.axes), settings: alike(state.settings), line: null, step: null };
}

// Rebuilding keeps the focus on the field of the same name.
function keepFocus(place, rebuild) {
  const name = place.contains(document.activeElement) ? document.activeElement.getAttribute("aria-label") : null;
  rebuild();
  if (name)
    [...place.querySelectorAll("[aria-label]")].find((each) => each.getAttribute("aria-label") === name)?.focus();
}
