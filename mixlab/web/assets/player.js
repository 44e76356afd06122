/* Players of the page: one AudioContext, one clock for all stems; versions are gains, so switching leaves no gap. */
(() => {
  "use strict";
  let context = null;
  const players = new WeakMap();

  class Player {
    constructor(element) {
      this.element = element;
      this.files = JSON.parse(element.dataset.files);
      this.gains = JSON.parse(element.dataset.gains);
      this.version = element.querySelector('[data-version][aria-checked="true"]').dataset.version;
      this.soloed = new Set();
      this.muted = new Set();
      this.buffers = null;
      this.sources = [];
      this.nodes = {};
      this.offset = 0;
      this.startedAt = null;
    }

    say(text) {
      this.element.querySelector("[data-state]").textContent = text;
    }

    async load() {
      if (this.buffers) return;
      this.say("Loading the stems.");
      const loaded = await Promise.all(
        Object.entries(this.files).map(async ([role, address]) => {
          const response = await fetch(address);
          if (!response.ok) throw new Error(`${role}: ${response.status}`);
          return [role, await context.decodeAudioData(await response.arrayBuffer())];
        }),
      );
      this.buffers = Object.fromEntries(loaded);
      this.duration = Math.max(...loaded.map(([, buffer]) => buffer.duration));
      this.element.querySelector("[data-seek]").max = this.duration.toFixed(1);
    }

    level(role) {
      const silent = this.muted.has(role) || (this.soloed.size && !this.soloed.has(role));
      return silent ? 0 : this.gains[this.version][role];
    }

    get position() {
      if (this.startedAt === null) return this.offset;
      return Math.min(this.offset + context.currentTime - this.startedAt, this.duration);
    }

    async toggle() {
      context = context || new AudioContext();
      await context.resume();
      if (this.startedAt !== null) return this.pause();
      try {
        await this.load();
      } catch (error) {
        this.say(`The stems could not be loaded (${error.message}); ask for advice again.`);
        return;
      }
      for (const other of document.querySelectorAll(".mx-player")) {
        if (players.has(other) && players.get(other) !== this) players.get(other).pause();
      }
      this.start();
    }

    start() {
      if (this.offset >= this.duration - 0.05) this.offset = 0;
      const at = context.currentTime + 0.05;
      this.sources = Object.entries(this.buffers).map(([role, buffer]) => {
        const source = context.createBufferSource();
        const gain = context.createGain();
        gain.gain.value = this.level(role);
        source.buffer = buffer;
        source.connect(gain).connect(context.destination);
        source.start(at, this.offset);
        this.nodes[role] = gain;
        return source;
      });
      this.startedAt = at;
      this.show();
      this.tick();
    }

    pause() {
      if (this.startedAt === null) return;
      this.offset = this.position;
      this.startedAt = null;
      this.sources.forEach((source) => source.stop());
      this.show();
    }

    tick() {
      if (this.startedAt === null) return;
      if (!this.element.isConnected || this.position >= this.duration) {
        this.pause();
        return;
      }
      const seek = this.element.querySelector("[data-seek]");
      if (document.activeElement !== seek) seek.value = this.position.toFixed(1);
      setTimeout(() => this.tick(), 100);
    }

    seek(to) {
      const playing = this.startedAt !== null;
      this.pause();
      this.offset = to;
      if (playing) this.start();
    }

    apply() {
      for (const [role, node] of Object.entries(this.nodes)) {
        node.gain.setTargetAtTime(this.level(role), context.currentTime, 0.008);
      }
      this.show();
    }

    show() {
      const playing = this.startedAt !== null;
      const play = this.element.querySelector("[data-play]");
      play.textContent = playing ? "Pause" : this.buffers ? "Play" : "Start audio";
      play.setAttribute("aria-pressed", String(playing));
      for (const button of this.element.querySelectorAll("[data-version]")) {
        const chosen = button.dataset.version === this.version;
        button.setAttribute("aria-checked", String(chosen));
        button.tabIndex = chosen ? 0 : -1;
      }
      for (const [key, set] of [["solo", this.soloed], ["mute", this.muted]]) {
        for (const button of this.element.querySelectorAll(`[data-${key}]`)) {
          button.setAttribute("aria-pressed", String(set.has(button.dataset[key])));
        }
      }
      this.say(playing ? `Playing ${this.version}.` : "");
    }
  }

  const playerOf = (target) => {
    const element = target.closest && target.closest(".mx-player");
    if (!element) return null;
    if (!players.has(element)) players.set(element, new Player(element));
    return players.get(element);
  };

  const flip = (set, key) => (set.has(key) ? set.delete(key) : set.add(key));

  document.addEventListener("click", (event) => {
    const button = event.target.closest && event.target.closest(".mx-player button");
    if (!button) return;
    const player = playerOf(button);
    if ("play" in button.dataset) player.toggle();
    else if (button.dataset.version) { player.version = button.dataset.version; player.apply(); }
    else if (button.dataset.solo) { flip(player.soloed, button.dataset.solo); player.apply(); }
    else if (button.dataset.mute) { flip(player.muted, button.dataset.mute); player.apply(); }
  });

  document.addEventListener("keydown", (event) => {
    const button = event.target.closest && event.target.closest(".mx-player [data-version]");
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!button || !step) return;
    event.preventDefault();
    const buttons = [...button.parentElement.querySelectorAll("[data-version]")];
    const next = buttons[(buttons.indexOf(button) + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches && event.target.matches(".mx-player [data-seek]")) {
      playerOf(event.target).seek(Number(event.target.value));
    }
  });
})();
