"use strict";
// A clip on the page: its player, outline, spectrogram, verdict and the command that makes it again.

function element(name, told = {}, ...inside) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(told)) {
    if (key in made && key !== "list") made[key] = value; else made.setAttribute(key, value);
  }
  made.append(...inside);
  return made;
}

function drawing(kind, view, path) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg"), line = document.createElementNS(space, "path");
  for (const [key, value] of Object.entries({ viewBox: view, class: kind, "aria-hidden": "true", preserveAspectRatio: "none" })) svg.setAttribute(key, value);
  line.setAttribute("d", path);
  svg.append(line);
  return svg;
}

function icon(kind, path) {
  const svg = drawing(kind, "0 0 20 20", path);
  svg.removeAttribute("preserveAspectRatio");
  return svg;
}

// Bars of two thirds of their place, as high as the sound is loud there; the loudest fills the height.
function bars(outline) {
  const loudest = Math.max(...outline, 0.02);
  return outline.map((size, at) => {
    const half = Math.max(1, 49 * size / loudest);
    return `M${3 * at},${(50 - half).toFixed(1)}h2v${(2 * half).toFixed(1)}h-2z`;
  }).join("");
}

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function lengthOf(seconds) {
  return `${Number(seconds.toFixed(1))} ${seconds === 1 ? "second" : "seconds"}`;
}

let playing = null;

function player(clip, title) {
  const sound = new Audio(), track = element("div", { className: "track" });
  sound.preload = "none";
  sound.src = clip.sound;
  const seek = element("input", { type: "range", min: 0, max: clip.seconds, step: 0.1, value: 0 });
  seek.setAttribute("aria-label", `Position in ${title}`);
  const spectrum = element("div", { className: "spectrum", role: "img" });
  spectrum.setAttribute("aria-label", `Spectrogram of ${title}: high notes above low ones, loud ones stronger`);
  for (const name of ["maskImage", "webkitMaskImage"]) spectrum.style[name] = `url("${clip.picture}")`;
  const view = `0 0 ${3 * clip.outline.length - 1} 100`, path = bars(clip.outline);
  track.append(drawing("wave", view, path), drawing("wave past", view, path), spectrum, seek);

  const button = element("button", { type: "button", className: "play" },
    icon("start", "M5 3l12 7-12 7z"), icon("pause", "M4 3h4.5v14H4zM11.5 3H16v14h-4.5z"));
  const time = element("span", { className: "time" });
  const row = element("div", { className: "sound" }, button, track, time);

  function show() {
    const at = sound.currentTime, ended = sound.paused && (sound.ended || at === 0);
    track.style.setProperty("--at", `${ended ? 0 : 100 * Math.min(1, at / clip.seconds)}%`);
    seek.value = at;
    seek.setAttribute("aria-valuetext", `${clock(at)} of ${clock(clip.seconds)}`);
    time.textContent = ended ? clock(clip.seconds) : clock(at);
    row.classList.toggle("playing", !sound.paused);
    button.setAttribute("aria-label", `${sound.paused ? "Play" : "Pause"} ${title}`);
  }

  function follow() {
    show();
    if (!sound.paused) requestAnimationFrame(follow);
  }

  button.addEventListener("click", () => {
    if (!sound.paused) { sound.pause(); return; }
    if (playing && playing !== sound) playing.pause();
    playing = sound;
    sound.play().catch((problem) => {
      if (problem.name === "AbortError") return; // stopped before it had begun
      time.textContent = "cannot be played";
      console.error(problem);
    });
  });
  seek.addEventListener("input", () => { sound.currentTime = Number(seek.value); show(); });
  for (const event of ["play", "pause", "ended", "seeked", "timeupdate"]) sound.addEventListener(event, follow);
  show();
  return row;
}

function titleOf(clip) {
  if (clip.recording) return `After ${clip.recording}`;
  return clip.genre ? clip.genre[0].toUpperCase() + clip.genre.slice(1) : `Music by ${clip.run}`;
}

function commandOf(clip) {
  const code = element("code", {}, clip.command);
  const copy = element("button", { type: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    getSelection().selectAllChildren(code);
    try {
      await navigator.clipboard.writeText(clip.command);
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Selected: copy it";  // a browser may keep the clipboard to itself
    }
  });
  const hint = clip.recording ? " The recording is yours: give its path." : "";
  return element("details", {},
    element("summary", {}, "Make it again"),
    element("div", { className: "command" }, code, copy),
    element("p", { className: "soft" }, `The same samples, as long as the run stays as it is.${hint}`));
}

function card(clip, fresh = false) {
  const title = titleOf(clip);
  const verdict = element("span", { className: clip.healthy ? "healthy" : "ill" }, clip.healthy ? "✓ healthy" : `✗ ${clip.verdict}`);
  const line = element("p", { className: "line" },
    element("span", {}, lengthOf(clip.seconds)), element("span", {}, `seed ${clip.seed}`));
  if (clip.temperature !== 1) line.append(element("span", {}, `temperature ${clip.temperature}`));
  if (clip.style_strength !== 1) line.append(element("span", {}, `style ${clip.style_strength}`));
  if (!title.endsWith(clip.run)) line.append(element("span", {}, `by ${clip.run}`));
  line.append(verdict);
  const save = element("a", { href: clip.sound + (clip.sound.startsWith("data:") ? "" : "?download") }, "Download");
  save.setAttribute("download", `fastgan-${clip.seed}.${clip.sound.startsWith("data:audio/ogg") ? "ogg" : "wav"}`);
  save.setAttribute("aria-label", `Download ${title}, seed ${clip.seed}`);
  const made = element("li", { className: fresh ? "clip new" : "clip" },
    element("h3", {}, title), line, player(clip, `${title}, seed ${clip.seed}`),
    element("div", { className: "more" }, save, commandOf(clip)));
  made.dataset.id = clip.id;
  return made;
}

function showClips(clips) {
  document.getElementById("list").replaceChildren(...clips.map((clip) => card(clip)));
  document.getElementById("clips").hidden = clips.length === 0;
}
