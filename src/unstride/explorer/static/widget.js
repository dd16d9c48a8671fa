// The notebook's widget: questions go to Python as messages of the widget's channel.
import { render as show } from "./main.js";

const PATIENCE = 10_000;

export function render({ model, el }) {
  const waiting = new Map();
  let count = 0;
  const answered = (message) => {
    waiting.get(message.id)?.(message.answer);
    waiting.delete(message.id);
  };
  model.on("msg:custom", answered);
  const ask = (question) =>
    new Promise((resolve) => {
      count += 1;
      const id = count;
      const late = {
        error: { rule: "the notebook's kernel does not answer", hint: "is it busy, or stopped?", where: null },
      };
      const timer = setTimeout(() => resolve(late), PATIENCE);
      waiting.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      model.send({ id, question });
    });
  const first = model.get("first");
  const stop = show({ el, ask, address: null, first: Object.keys(first).length ? first : null });
  return () => {
    model.off("msg:custom", answered);
    stop();
  };
}
