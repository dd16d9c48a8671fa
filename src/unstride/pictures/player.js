// Steps through the frames of one picture: each frame is a list of the items that are shown in it.
const { frames, words, milliseconds } = JSON.parse(document.getElementById("frames").textContent);
const items = document.getElementById("moving").children;
const [back, play, next, slider, told] = ["back", "play", "next", "slider", "told"].map((id) => document.getElementById(id));
let at = frames.length - 1;
let timer = 0;

function show(step) {
  for (const item of frames[at]) items[item].classList.remove("on");
  at = Math.min(frames.length - 1, Math.max(0, step));
  for (const item of frames[at]) items[item].classList.add("on");
  slider.value = String(at);
  slider.setAttribute("aria-valuetext", `step ${at + 1} of ${frames.length}`);
  told.textContent = `step ${at + 1} of ${frames.length}: ${words[at]}`;
  back.disabled = at === 0;
  next.disabled = at === frames.length - 1;
}

function pause() {
  clearInterval(timer);
  timer = 0;
  play.textContent = "Play";
}

function start() {
  if (at === frames.length - 1) show(0);
  play.textContent = "Pause";
  timer = setInterval(() => {
    show(at + 1);
    if (at === frames.length - 1) pause();
  }, milliseconds);
}

function move(step) {
  pause();
  show(step);
}

play.addEventListener("click", () => (timer ? pause() : start()));
back.addEventListener("click", () => move(at - 1));
next.addEventListener("click", () => move(at + 1));
slider.addEventListener("input", () => move(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: frames.length - 1 };
  if (event.target === slider || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key in moves) move(moves[event.key]);
  else if (event.key === " " && event.target === document.body) timer ? pause() : start();
  else return;
  event.preventDefault();
});
show(at);
