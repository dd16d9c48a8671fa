// Other readings of the same words: where another framework, or the lecture, crops the same stamps.
import { full, span } from "./relation.js";

export const LECTURE = "the lecture";

const windowOf = (axes) => axes.map(({ large, before }) => `${large}:${before}`).join();

// What the same words mean elsewhere, and the lecture's crop: half the kernel first. Each different from ours, once.
export function otherCrops(axes, answer) {
  const lecture = axes.map((axis) => ({ ...axis, before: Math.floor((span(axis) - 1) / 2) }));
  const said = (answer?.same_words ?? []).filter((each) => each.axes?.length === axes.length);
  const cropped = axes.some((axis) => full(axis) !== axis.large);
  const listed = [...(cropped ? [{ title: LECTURE, axes: lecture }] : []), ...said];
  const found = new Map();
  for (const { title, axes: theirs } of listed) {
    const key = windowOf(theirs);
    if (key === windowOf(axes)) continue;
    found.set(key, { axes: theirs, titles: [...(found.get(key)?.titles ?? []), title] });
  }
  return [...found.values()];
}

export function shortly(titles) {
  return titles.length > 3 ? `${titles.slice(0, 2).join(", ")} and ${titles.length - 2} more` : titles.join(", ");
}

const pixels = (count) => `${count} ${count === 1 ? "pixel" : "pixels"}`;

export function difference(axes, theirs) {
  const shift = theirs[theirs.length - 1].before - axes[axes.length - 1].before;
  const sized = theirs.every((axis, k) => axis.large === axes[k].large);
  if (sized) return `Same size, ${pixels(Math.abs(shift))} apart.`;
  return shift === 0 ? "Another size, from the same start." : `Another size, and ${pixels(Math.abs(shift))} apart.`;
}

function kept(axis) {
  return axis.large === 0 ? "nothing" : `${axis.before}…${axis.before + axis.large - 1}`.replaceAll("-", "−");
}

// What the view compares: the other crop on the drawn axes, its name, and the difference in words.
export function comparison(model, axes, found, own) {
  if (!found) return null;
  const theirs = model.places.map((k, place) => (k === null ? model.axes[place] : found.axes[k]));
  const last = model.axes[1];
  const verb = found.titles.length > 1 ? "keep" : "keeps";
  const ours = `Of ${full(last)} columns of stamps, yours keeps ${kept(last)}`;
  const text = `${difference(axes, found.axes)} ${ours}, ${shortly(found.titles)} ${verb} ${kept(theirs[1])}.`;
  return { axes: theirs, title: shortly(found.titles), ours: own ? `yours, ${own}` : "yours", text };
}
