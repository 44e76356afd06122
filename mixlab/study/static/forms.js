// The pages before and after the trials: each has one form, which is sent whole.
"use strict";

const main = document.getElementById("main");
const form = document.querySelector("form");
const status = form.querySelector(".status");
const link = main.dataset.link;

function say(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

const pages = {
  async welcome() {
    const body = { invitation: main.dataset.invitation, consent: true, key: main.dataset.key };
    const { link } = await send("POST", "/api/join", body, waits);
    location.assign(`/p/${link}`);
  },

  async background() {
    const answers = {};
    form.querySelectorAll("input[data-kind=number]").forEach((input) => { answers[input.name] = Number(input.value); });
    form.querySelectorAll("fieldset[data-name]").forEach((field) => {
      const chosen = [...field.querySelectorAll("input:checked")].map((input) => input.value);
      answers[field.dataset.name] = field.dataset.kind === "choice" ? chosen[0] : chosen;
      if (!chosen.length) throw new Error("Please answer every question.");
    });
    await send("POST", `/api/p/${link}/background`, { answers }, waits);
    location.assign(`/p/${link}`);
  },

  async sound() {
    const playback = form.querySelector("input[name=playback]:checked").value;
    const tones = [];
    if (playback === "headphones") {
      form.querySelectorAll(".tone").forEach((field) => {
        const chosen = field.querySelector("input:checked");
        if (!chosen) throw new Error("Please answer for all of the tones.");
        tones.push(Number(chosen.value));
      });
    }
    await send("POST", `/api/p/${link}/sound`, { playback, tones }, waits);
    location.assign(`/p/${link}`);
  },

  async end() {
    await send("POST", `/api/p/${link}/finish`, {}, waits);
    location.assign(`/p/${link}`);
  },

  async information() {
    const { stays } = await send("DELETE", `/api/p/${link}`, {}, waits);
    form.replaceChildren(status);
    say(`Everything that you answered has been deleted. ${stays}`);
  },
};

function waits() {
  say("The server does not answer. Trying again …", true);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  button.disabled = true;
  say("Saving …");
  try {
    await pages[main.dataset.page]();
  } catch (error) {
    say(error.message, true);
  }
  button.disabled = false;
});

const check = document.getElementById("check");
document.querySelectorAll("input[name=playback]").forEach((input) => {
  input.addEventListener("change", () => { check.hidden = input.value !== "headphones"; });
});
let sounding = null;
document.querySelectorAll("button.play").forEach((button) => {
  button.addEventListener("click", async () => {
    sounding?.pause();
    const same = sounding?.button === button && sounding.wasPlaying;
    if (sounding) sounding.wasPlaying = false;
    if (same) return;
    const one = new Audio(`/p/${link}/audio/${button.dataset.file}`);
    sounding = { button, wasPlaying: true, pause: () => one.pause() };
    one.addEventListener("ended", () => { if (sounding.button === button) sounding.wasPlaying = false; });
    try {
      await one.play();
    } catch {
      say("The sound could not be played. Check your connection and try again.", true);
    }
  });
});
