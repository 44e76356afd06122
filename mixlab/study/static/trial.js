// One trial: its players, and every answer saved as it is given.
"use strict";

const main = document.getElementById("main");
const base = `/api/p/${main.dataset.link}/trials/${main.dataset.number}`;
const saveStatus = document.getElementById("save-status");
const soundStatus = document.getElementById("sound-status");
const playButton = document.getElementById("play");
const slider = document.getElementById("position");
const versions = [...document.querySelectorAll("input[name=version]")];
const player = new Player(versions.map((input) => `/p/${main.dataset.link}/audio/${input.dataset.file}`));
window.player = player;

function say(element, text, wrong = false) {
  element.textContent = text;
  element.classList.toggle("wrong", wrong);
}

function showPlaying() {
  playButton.textContent = player.playing ? "Pause" : "Play";
  playButton.setAttribute("aria-pressed", String(player.playing !== null));
}

playButton.addEventListener("click", async () => {
  if (player.playing) {
    player.pause();
  } else {
    say(soundStatus, "Loading the sound …");
    try {
      await player.play();
      slider.max = player.duration_s.toFixed(1);
      say(soundStatus, "");
    } catch (error) {
      say(soundStatus, `${error.message} Check your connection and try again.`, true);
    }
  }
  showPlaying();
});
versions.forEach((input, index) => input.addEventListener("change", () => player.choose(index)));
slider.addEventListener("input", () => player.seek(Number(slider.value)));
setInterval(() => {
  if (player.playing && document.activeElement !== slider) slider.value = player.now().toFixed(1);
  slider.setAttribute("aria-valuetext", `${player.now().toFixed(0)} seconds`);
}, 200);

// Answers go one after the other, in the order in which they were given.
let line = Promise.resolve();
let refused = false;

function save(method, path, body) {
  say(saveStatus, "Saving …");
  const saved = line.then(() => send(method, `${base}/${path}`, body, () => {
    say(saveStatus, "Not saved yet: the server does not answer. Trying again …", true);
  }));
  line = saved.then(
    () => { refused = false; say(saveStatus, "Saved."); },
    (error) => { refused = true; say(saveStatus, error.message, true); },
  );
  return line;
}

document.querySelectorAll("fieldset[data-criterion] input").forEach((input) => {
  input.addEventListener("change", () => save("PUT", `ratings/${input.name}`, { rating: Number(input.value) }));
});
document.querySelectorAll("fieldset[data-pair] input").forEach((input) => {
  input.addEventListener("change", () => save("PUT", "preference", { preferred: Number(input.value) }));
});

const comment = document.getElementById("comment");
let stored = comment ? comment.value : "";
let timer = 0;

function saveComment() {
  clearTimeout(timer);
  if (!comment || comment.value === stored) return;
  stored = comment.value;
  save("PUT", "comment", { text: stored });
}
comment?.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(saveComment, 800); });
comment?.addEventListener("change", saveComment);

document.getElementById("answers").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button[data-action]");
  const open = [...document.querySelectorAll("fieldset.scale")].find((scale) => !scale.querySelector("input:checked"));
  if (open) {
    say(saveStatus, "Choose a point on every scale first.", true);
    open.querySelector("input").focus();
    return;
  }
  saveComment();
  button.disabled = true;
  await line;
  if (!refused) await save("POST", button.dataset.action, {});
  button.disabled = false;
  if (refused) return;
  if (button.dataset.action === "lock") location.reload();
  else location.assign(`/p/${main.dataset.link}`);
});
document.getElementById("unlocked")?.focus({ preventScroll: true });
window.addEventListener("beforeunload", (event) => {
  if (comment && comment.value !== stored) event.preventDefault();
});
