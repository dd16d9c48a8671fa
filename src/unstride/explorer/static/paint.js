// SVG from grids: cells with numbers and indices, panels that wrap to the width, links between cells.

export const CELL = 36;
const TICK = 20;
const HEAD = 26;
const GAP = 44;
const LARGEST = 1.35;
const TALLEST = 560;
const SPACE = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null) element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

const shown = (value) => (value < 0 ? `−${-value}` : `${value}`);

function fitted(text) {
  const length = `${text}`.length;
  return length > 6 ? "tiny" : length > 3 ? "little" : "";
}

function drawCell(panel, i, j) {
  const { text = "", kind = "", note, stands = { side: panel.side, index: [i, j] } } = panel.cell(i, j);
  const [x, y] = panel.corner(i, j);
  const label = typeof text === "number" ? shown(text) : text;
  const [row, column] = stands.index;
  const cell = svg("g", { class: `cell ${kind}`, "data-side": stands.side, "data-i": row, "data-j": column });
  cell.append(svg("rect", { x: x + 1, y: y + 1, width: CELL - 2, height: CELL - 2, rx: 4 }));
  const middle = y + CELL / 2 + (note ? 1 : 5);
  if (label !== "") cell.append(svg("text", { x: x + CELL / 2, y: middle, class: fitted(label) }, label));
  if (note) cell.append(svg("text", { x: x + CELL / 2, y: y + CELL - 6, class: "note" }, note));
  return cell;
}

function drawTicks(panel, group) {
  const [top, bottom] = panel.rows;
  const [left, right] = panel.columns;
  for (let j = left; j < right; j += 1) {
    const [x] = panel.corner(top, j);
    group.append(svg("text", { x: x + CELL / 2, y: HEAD + TICK - 6, class: "tick" }, shown(j)));
  }
  if (panel.flat) return;
  for (let i = top; i < bottom; i += 1) {
    const [, y] = panel.corner(i, left);
    group.append(svg("text", { x: TICK - 5, y: y + CELL / 2 + 4, class: "tick end" }, shown(i)));
  }
}

function drawMore(panel, group) {
  const { x0, y0, width, height } = panel.area;
  const { left, right, top, bottom } = panel.more ?? {};
  const dots = (x, y, text) => group.append(svg("text", { x, y, class: "more" }, text));
  if (right) dots(x0 + width + 14, y0 + height / 2 + 5, "⋯");
  if (left) dots(TICK - 8, HEAD + TICK - 6, "⋯");
  if (bottom) dots(x0 + width / 2, y0 + height + 16, "⋮");
  if (top) dots(TICK - 8, HEAD + TICK + 4, "⋮");
}

// A panel is one grid with its title: {title, side, rows: [first, stop], columns, cell(i, j), boxes, more, flat}.
// A cell is {text, kind, note, stands}: what it shows, and which element of which side it stands for.
export function panel(spec) {
  const rows = spec.rows[1] - spec.rows[0];
  const columns = spec.columns[1] - spec.columns[0];
  const area = { x0: TICK, y0: HEAD + TICK, width: columns * CELL, height: rows * CELL };
  const corner = (i, j) => [area.x0 + (j - spec.columns[0]) * CELL, area.y0 + (i - spec.rows[0]) * CELL];
  const wide = Math.max(area.x0 + area.width, spec.title.length * 8.2) + (spec.more?.right ? 26 : 2);
  return { ...spec, area, corner, width: wide, height: area.y0 + area.height + (spec.more?.bottom ? 22 : 4) };
}

// An outline around rows [a, b) and columns [c, d), cut at the edges of what is drawn.
function drawBox(panel_, { rows, columns, kind, label }) {
  const clip = ([a, b], [first, stop]) => [Math.max(a, first), Math.min(b, stop)];
  const [top, bottom] = clip(rows, panel_.rows);
  const [left, right] = clip(columns, panel_.columns);
  if (top >= bottom || left >= right) return [];
  const [x, y] = panel_.corner(top, left);
  const inset = kind.includes("other") ? 3.5 : 0;
  const box = svg("rect", {
    x: x + inset,
    y: y + inset,
    width: (right - left) * CELL - 2 * inset,
    height: (bottom - top) * CELL - 2 * inset,
    rx: 6,
    class: `box ${kind}`,
  });
  if (label) box.append(svg("title", {}, label));
  return [box];
}

function drawPanel(spec) {
  const group = svg("g", { transform: `translate(${spec.x} ${spec.y})`, class: `panel ${spec.side}` });
  group.append(svg("text", { x: 0, y: 15, class: "title" }, spec.title));
  drawTicks(spec, group);
  drawMore(spec, group);
  for (let i = spec.rows[0]; i < spec.rows[1]; i += 1) {
    for (let j = spec.columns[0]; j < spec.columns[1]; j += 1) group.append(drawCell(spec, i, j));
  }
  group.append(...(spec.boxes ?? []).flatMap((box) => drawBox(spec, box)));
  return group;
}

// Panels side by side, wrapping where they would exceed the width; returns them with their places.
function arranged(panels, width) {
  let [x, y, tall, widest] = [0, 0, 0, 0];
  const placed = panels.map((each) => {
    if (x > 0 && x + each.width > width) [x, y, tall] = [0, y + tall + 16, 0];
    const place = { ...each, x, y };
    [x, tall, widest] = [x + each.width + GAP, Math.max(tall, each.height), Math.max(widest, x + each.width)];
    return place;
  });
  return { placed, width: widest, height: y + tall };
}

function centre(place, [i, j]) {
  const [x, y] = place.corner(i, j);
  return [place.x + x + CELL / 2, place.y + y + CELL / 2];
}

export function isDrawn(place, [i, j]) {
  return i >= place.rows[0] && i < place.rows[1] && j >= place.columns[0] && j < place.columns[1];
}

function drawLine(places, { from, to }) {
  const [start, end] = [places[from.panel], places[to.panel]];
  if (!isDrawn(start, from.index) || !isDrawn(end, to.index)) return [];
  const [[x1, y1], [x2, y2]] = [centre(start, from.index), centre(end, to.index)];
  return [svg("line", { x1, y1, x2, y2, class: "link" })];
}

// A cell thrown onto a box of another panel: a beam between the facing edges.
function drawBeam(places, { from, to, box }) {
  const [start, end] = [places[from], places[to]];
  const clip = ([a, b], [first, stop]) => [Math.max(a, first), Math.min(b, stop)];
  const [[top, bottom], [left, right]] = [clip(box.rows, end.rows), clip(box.columns, end.columns)];
  if (!isDrawn(start, box.index) || top >= bottom || left >= right) return [];
  const [x, y] = start.corner(...box.index);
  const [[x1, y1], [x2, y2]] = [end.corner(top, left), end.corner(bottom - 1, right - 1)];
  const cell = { left: start.x + x, right: start.x + x + CELL, top: start.y + y, bottom: start.y + y + CELL };
  const area = { left: end.x + x1, right: end.x + x2 + CELL, top: end.y + y1, bottom: end.y + y2 + CELL };
  return [svg("polygon", { points: outline(cell, area, start.y === end.y).join(" "), class: "beam" })];
}

// From the edge of `cell` that faces `area` to the edge of `area` that faces it.
function outline(cell, area, beside) {
  if (beside) {
    const [near, far] = area.left > cell.left ? [cell.right, area.left] : [cell.left, area.right];
    return [`${near},${cell.top}`, `${far},${area.top}`, `${far},${area.bottom}`, `${near},${cell.bottom}`];
  }
  const [near, far] = area.top > cell.top ? [cell.bottom, area.top] : [cell.top, area.bottom];
  return [`${cell.left},${near}`, `${area.left},${far}`, `${area.right},${far}`, `${cell.right},${near}`];
}

// The picture: panels, with links behind them: lines {from: {panel, index}, to: {panel, index}}, or beams
// {from, to, box: {index, rows, columns}} from a cell to an area.
export function picture(panels, links, width, largest = LARGEST) {
  const { placed, width: wide, height } = arranged(panels, width);
  const scale = Math.max(1, Math.min(largest, width / wide, TALLEST / height));
  const root = svg("svg", {
    viewBox: `0 0 ${wide + 2} ${height}`,
    width: (wide + 2) * scale,
    height: height * scale,
    "aria-hidden": "true",
    focusable: "false",
  });
  root.append(...links.flatMap((link) => (link.box ? drawBeam : drawLine)(placed, link)), ...placed.map(drawPanel));
  return root;
}

// Makes the tree `old` like `fresh` by changing only what differs; returns the tree that then stands there.
export function patch(old, fresh) {
  if (
    old.nodeType !== fresh.nodeType ||
    old.nodeName !== fresh.nodeName ||
    old.childNodes.length !== fresh.childNodes.length
  ) {
    old.replaceWith(fresh);
    return fresh;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return old;
  }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const children = [...fresh.childNodes];
  [...old.childNodes].forEach((child, k) => patch(child, children[k]));
  return old;
}
