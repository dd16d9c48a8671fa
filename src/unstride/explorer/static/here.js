// Answers without Python, for a copy of the page that no server stands behind: the five chief frameworks, by arithmetic.
import { FRAMEWORKS, read, write } from "./dialects.js";
import { after, full, largeSizes } from "./relation.js";
import { everywhere, sameWords, settingsFor } from "./translate.js";

const NOTE =
  "This copy of the page has no Python behind it and knows five frameworks; `unstride explore` knows them all.";
const PASTE = "this copy of the page cannot read pasted lines; use the controls, or `unstride explore`";
const WIDEST = 9;

function sayings(dialect, axes, settings) {
  return FRAMEWORKS.filter(({ name }) => name !== dialect).flatMap(({ name, title }) => {
    const said = axes.map((axis, k) => sameWords(name, axis, settings[k]));
    if (said.includes(null)) return [];
    const heard = axes.map((axis, k) => ({ ...axis, ...read(name, axis, said[k]) }));
    const wrong = heard.find((each) => each.error);
    return [{ title, code: null, axes: wrong ? null : heard, rejected: wrong?.error ?? null }];
  });
}

function choices(dialect, axes) {
  const axis = axes[0];
  const [least, most] = largeSizes(axis, axis.before + Math.max(after(axis), 0));
  if (most - least > WIDEST * 2 || axes.some((each) => JSON.stringify(each) !== JSON.stringify(axis))) return [];
  return Array.from({ length: most - least + 1 }, (_, k) => {
    const wanted = axes.map((each) => ({ ...each, large: least + k }));
    const settings = dialect && settingsFor(dialect, wanted);
    return {
      dialect,
      size: least + k,
      chosen: least + k === axis.large,
      argument: null,
      code: null,
      axes: wanted,
      settings: settings || null,
    };
  });
}

function explained({ dialect, axes, settings }) {
  const [least, most] = largeSizes(axes[0], axes[0].before + Math.max(after(axes[0]), 0));
  return {
    axes,
    title: FRAMEWORKS.find(({ name }) => name === dialect)?.title,
    note: NOTE,
    same_layer: everywhere(axes),
    same_words: dialect ? sayings(dialect, axes, settings) : [],
    sizes: [{ axes: axes.map((_, k) => k), sizes: [least, most], choices: choices(dialect, axes) }],
  };
}

// Every way to crop to the wanted size with these kernels and strides, in the five frameworks' words.
function solved({ small, large, kernel, stride }) {
  const found = [];
  const numbers = (given) => (given ? [given[0]] : [2, 3, 4, 5, 6, 7]);
  const steps = stride ? [stride[0]] : Array.from({ length: WIDEST }, (_, k) => k + 1);
  for (const taps of numbers(kernel)) {
    for (const apart of steps) {
      const axis = { small: small[0], large: large[0], kernel: taps, stride: apart, dilation: 1, before: 0 };
      const total = full(axis) - axis.large;
      const beyond = apart - 1;
      for (let before = Math.max(0, total - taps + 1); before <= Math.min(taps - 1, total + beyond); before += 1) {
        found.push(small.map(() => ({ ...axis, before })));
      }
    }
  }
  const uneven = ([axis]) => Number(axis.kernel % axis.stride !== 0);
  const lopsided = ([axis]) => Math.abs(axis.before - after(axis));
  found.sort((a, b) => uneven(a) - uneven(b) || lopsided(a) - lopsided(b) || a[0].kernel - b[0].kernel);
  return { solutions: found.flatMap(lines).slice(0, 24), nearest: [] };
}

function lines(axes) {
  return FRAMEWORKS.flatMap(({ name, title }) => {
    const settings = settingsFor(name, axes);
    if (!settings) return [];
    const even = axes[0].kernel % axes[0].stride === 0;
    const why = even ? "even coverage" : "uneven coverage";
    return [{ title, dialect: name, code: write(name, axes, settings), even, why, axes, settings }];
  });
}

// The answer to a question, as Python's `ask` gives it; what needs Python is refused.
export async function askHere(question) {
  if (question.ask === "read") return { error: { rule: PASTE, hint: null, where: null, code: "unsupported" } };
  if (question.ask === "solve" && question.transposed) return solved(question);
  if (question.ask === "solve")
    return { error: { rule: "this copy solves for transposed convolutions only", hint: null } };
  return question.transposed ? explained(question) : { note: NOTE, same_layer: [], same_words: [], sizes: [] };
}
