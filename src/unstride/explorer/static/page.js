// The served page: questions go to Python over HTTP, the state lives in the address.
import { render } from "./main.js";

const LIMIT = 12_000;

async function ask(question) {
  const body = JSON.stringify(question);
  if (body.length > LIMIT) {
    const rule = `a pasted line has at most 10,000 characters, this text has ${body.length.toLocaleString("en")}`;
    return { error: { rule, hint: "paste the one line that makes the layer", where: null } };
  }
  try {
    const answer = await fetch("ask", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    return await answer.json();
  } catch {
    return {
      error: { rule: "the explorer's server does not answer", hint: "start `unstride explore` again", where: null },
    };
  }
}

render({ el: document.getElementById("explorer"), ask, address: window.location });
performance.mark("drawn");
