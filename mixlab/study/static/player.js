// Several clips on one clock: all of them play at once, and one is heard. Switching changes gains and nothing else, so
// that the position stays to the sample.
"use strict";

const FADE_S = 0.015;

/** A key for a request; crypto.randomUUID exists only over TLS. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}

/** Send a request until it is acknowledged; its key makes a repetition harmless. Throws what the server refuses. */
async function send(method, path, body, waiting) {
  const content = JSON.stringify({ ...body, key: body.key || newKey() });
  for (let wait_ms = 500; ; wait_ms = Math.min(2 * wait_ms, 8000)) {
    try {
      const response = await fetch(path, { method, body: content, headers: { "Content-Type": "application/json" } });
      if (response.ok) return response.status === 204 ? {} : await response.json();
      if (response.status < 500 && response.status !== 429) {
        const refusal = new Error((await response.json()).error);
        refusal.refused = true;
        throw refusal;
      }
    } catch (error) {
      if (error.refused) throw error;
    }
    if (waiting) waiting();
    await new Promise((go) => setTimeout(go, wait_ms));
  }
}

class Player {
  /** @param urls of the clips, all of one length. */
  constructor(urls) {
    this.urls = urls;
    this.chosen = 0;
    this.position_s = 0;
    this.duration_s = 0;
    this.playing = null;
  }

  /** Load all clips; called from a gesture, without which browsers keep audio suspended. */
  async load() {
    this.context ??= new AudioContext();
    await this.context.resume();
    this.clips ??= await Promise.all(this.urls.map(async (url) => {
      const response = await fetch(url);
      if (!response.ok) throw new Error("A sound could not be loaded.");
      return this.context.decodeAudioData(await response.arrayBuffer());
    }));
    this.duration_s = Math.min(...this.clips.map((clip) => clip.duration));
  }

  async play() {
    await this.load();
    if (this.playing) return;
    const start_s = this.context.currentTime + 0.02;
    const sources = this.clips.map((clip, index) => {
      const gain = new GainNode(this.context, { gain: index === this.chosen ? 1 : 0 });
      const source = new AudioBufferSourceNode(this.context, { buffer: clip, loop: true, loopEnd: this.duration_s });
      source.connect(gain).connect(this.context.destination);
      source.start(start_s, this.position_s);
      return { source, gain };
    });
    this.playing = { sources, zero_s: start_s - this.position_s };
  }

  pause() {
    if (!this.playing) return;
    this.position_s = this.now();
    for (const { source } of this.playing.sources) source.stop();
    this.playing = null;
  }

  /** The position in seconds. */
  now() {
    if (!this.playing) return this.position_s;
    const passed_s = Math.max(0, this.context.currentTime - this.playing.zero_s);
    return passed_s % this.duration_s;
  }

  choose(index) {
    this.chosen = index;
    if (!this.playing) return;
    this.playing.sources.forEach(({ gain }, number) => {
      gain.gain.setTargetAtTime(number === index ? 1 : 0, this.context.currentTime, FADE_S / 3);
    });
  }

  async seek(position_s) {
    const was_playing = this.playing !== null;
    this.pause();
    this.position_s = position_s;
    if (was_playing) await this.play();
  }
}
