// HTML elements from names, attributes and children; text is always text, never markup.

export function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && key !== "list" && typeof value !== "string") element[key] = value;
    else if (value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let count = 0;

// A name for an element that a label points to, unlike any other on the page.
export function unique(word) {
  count += 1;
  return `unstride-${word}-${count}`;
}

export function button(label, action, attributes = {}) {
  return html("button", { type: "button", onclick: action, ...attributes }, label);
}

// A button that copies text, or what a function makes when it is pressed, and says so.
export function copyButton(text, what, name = "Copy") {
  const label = html("span", { "aria-live": "polite" }, name);
  const copied = async () => {
    label.textContent = (await copy(typeof text === "function" ? text() : text)) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (label.textContent = name), 1500);
  };
  return html("button", { type: "button", class: "copy", onclick: copied, "aria-label": `Copy ${what}` }, label);
}

// Through the clipboard where the browser allows it, else through a selection.
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = html("textarea", { class: "away", "aria-hidden": "true" });
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}
