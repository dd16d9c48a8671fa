// The exported page: every answer is worked out here.
import { render } from "./main.js";
import { askHere } from "./here.js";

render({ el: document.getElementById("explorer"), ask: askHere, address: window.location });
