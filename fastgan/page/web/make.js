// The form, and the one job that this page waits for.

const at = (id) => document.getElementById(id);
const say = (words) => { at("status").textContent = words; };
const complain = (words) => {
  at("error").textContent = words;
  if (words) at("error").scrollIntoView({ block: "nearest" });
};
let state = null, ticket = null, asked = 0, recording = null, reading = 0;

async function ask(path, told = {}) {
  let answer;
  try {
    answer = await fetch(path, told);
  } catch {
    throw new Error("the server does not answer; was it stopped?");
  }
  const body = answer.status === 204 ? {} : await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.error), { status: answer.status });
  return body;
}

function chosenRun() {
  return state.runs.find((run) => run.id === at("run").value);
}

function showRuns() {
  const before = at("run").value, usable = state.runs.filter((run) => !run.why_not);
  at("run").replaceChildren(...state.runs.map((run) =>
    element("option", { value: run.id, disabled: Boolean(run.why_not) }, run.why_not ? `${run.name}: ${run.why_not}` : run.name)));
  const kept = usable.find((run) => run.id === before) || usable[0];
  at("make").hidden = !kept;
  at("empty").hidden = Boolean(kept);
  at("train").className = kept ? "plain" : "big";
  if (!kept) return;
  at("run").value = kept.id;
  at("run").hidden = state.runs.length === 1;
  at("only").textContent = state.runs.length === 1 ? kept.name : "";
  showRun();
}

function showRun() {
  const run = chosenRun(), genre = at("genre").value;
  at("about").textContent = `learnt from ${run.about}`;
  for (const field of document.querySelectorAll(".on-frames")) field.hidden = !run.on_frames;
  at("genre-field").hidden = run.genres.length === 0;
  at("genre").replaceChildren(element("option", { value: "" }, "any"), ...run.genres.map((name) => element("option", { value: name }, name)));
  at("genre").value = run.genres.includes(genre) ? genre : "";
  summarise();
}

function summarise() {
  const run = chosenRun(), heat = Number(at("temperature").value), strength = Number(at("style").value);
  at("temperature-words").textContent = heat === 1 ? "usual" : `${heat} ${heat < 1 ? "calmer" : "livelier"}`;
  at("style-words").textContent = strength === 1 ? "usual" : `${strength} ${strength < 1 ? "nearer to all the music" : "more marked"}`;
  const parts = [`${at("seconds").value || "?"} seconds`];
  if (run.on_frames && run.genres.length) parts.push(at("genre").value || "any genre");
  if (run.on_frames && heat !== 1) parts.push(`temperature ${heat}`);
  if (run.on_frames && strength !== 1) parts.push(`style ${strength}`);
  if (run.on_frames && recording) parts.push(`after ${recording.name}`);
  parts.push(at("seed").value ? `seed ${at("seed").value}` : "a new seed");
  at("summary").textContent = parts.join(" · ");
}

function order() {
  const run = chosenRun(), [low, high] = state.bounds.seconds, seconds = Number(at("seconds").value);
  if (!(seconds >= low && seconds <= high)) throw new Error(`The length is ${low} to ${high} seconds.`);
  if (!/^[0-9]*$/.test(at("seed").value.trim())) throw new Error("The seed is a whole number, or nothing for a new one.");
  const told = { run: run.id, seconds, seed: at("seed").value.trim() };
  if (!run.on_frames) return told;
  const heat = Number(at("temperature").value), strength = Number(at("style").value);
  if (heat !== 1) told.temperature = heat;
  if (strength !== 1) told.style_strength = strength;
  return { ...told, genre: at("genre").value, recording: recording ? recording.id : "" };
}

// The button stays in place for the keyboard, and does nothing meanwhile.
function show(busy) {
  at("go").setAttribute("aria-disabled", String(busy || reading > 0));
  if (!busy && document.activeElement === at("cancel")) at("go").focus();
  at("progress").hidden = !busy;
}

// The job's name is made here and sent with it: an order that arrives twice is one job.
async function make() {
  if (ticket || reading) return;
  complain("");
  try {
    const told = order();
    ticket = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    show(true);
    showProgress({ state: "waiting", before: 0, share: 0, took: 0 });
    say("Asked for a clip.");
    await ask(`/api/jobs/${ticket}`, { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(told) });
    sessionStorage.setItem("ticket", ticket);
    follow();
  } catch (problem) {
    finish("", problem.message);
    if (/^The (length|seed)/.test(problem.message)) at("settings").open = true;
  }
}

function showProgress(job) {
  const waiting = job.state === "waiting";
  at("bar").value = job.share;
  at("progress-words").textContent = !waiting ? `${Math.round(100 * job.share)} % · ${clock(job.took)}`
    : job.before ? `Waiting: ${job.before} ${job.before === 1 ? "clip is" : "clips are"} made before yours` : "Yours is next";
}

async function follow() {
  const mine = ticket;
  let heard = "";
  while (ticket === mine) {
    let job;
    try {
      job = await ask(`/api/jobs/${mine}`);
    } catch (problem) {
      return finish("", problem.message);
    }
    showProgress(job);
    if (job.state !== heard) say(job.state === "waiting" && job.before ? at("progress-words").textContent : job.state === "running" ? "Making the clip." : "");
    heard = job.state;
    if (job.state === "done") return done(job);
    if (job.state === "failed") return finish("", job.error);
    if (job.state === "cancelled") return finish("Cancelled.", "");
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

function done(job) {
  const clip = job.clip, list = at("list");
  list.prepend(card(clip, true));
  while (list.children.length > state.bounds.shown) list.lastChild.remove();
  at("clips").hidden = false;
  finish(`${titleOf(clip)}, ${lengthOf(clip.seconds)}, made in ${job.took.toFixed(1)} s: ${clip.healthy ? "healthy" : clip.verdict}.`, "");
}

function finish(words, problem) {
  ticket = null;
  sessionStorage.removeItem("ticket");
  show(false);
  say(words);
  complain(problem);
}

async function cancel() {
  if (!ticket) return;
  try {
    await ask(`/api/jobs/${ticket}`, { method: "DELETE" });
  } catch (problem) {
    complain(problem.message);
  }
}

async function record() {
  const file = at("recording").files[0], mine = ++asked;
  recording = null;
  at("recording").removeAttribute("aria-invalid");
  at("recording-words").textContent = "";
  at("forget").hidden = !file;
  complain("");
  summarise();
  if (!file) return;
  const most = state.bounds.upload_bytes;
  reading += 1;
  show(Boolean(ticket));
  try {
    if (file.size > most) throw new Error(`${file.name} has ${(file.size / 1e6).toFixed(0)} MB; ${(most / 1e6).toFixed(0)} MB are taken. Cut out the part to go on from.`);
    at("recording-words").textContent = "Reading it …";
    const query = new URLSearchParams({ run: at("run").value, name: file.name });
    const found = await ask(`/api/recordings?${query}`, { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body: file });
    if (mine !== asked) return;
    recording = found;
    at("recording-words").textContent = `${clock(found.seconds)} of sound${found.note ? `; ${found.note}` : ""}`;
  } catch (problem) {
    if (mine !== asked) return;
    at("recording-words").textContent = "It cannot be used.";
    at("recording").setAttribute("aria-invalid", "true");
    complain(problem.message);
  } finally {
    reading -= 1;
    show(Boolean(ticket));
    summarise();
  }
}

function readyForm() {
  for (const [range, bounds] of [["temperature", state.bounds.temperature], ["style", state.bounds.style_strength]])
    Object.assign(at(range), { min: bounds[0], max: Math.min(2, bounds[1]), value: 1 });
  [at("seconds").min, at("seconds").max] = state.bounds.seconds;
  at("form").addEventListener("submit", (event) => { event.preventDefault(); make(); });
  at("form").addEventListener("input", summarise);
  at("run").addEventListener("change", () => { showRun(); if (at("recording").files.length) record(); });
  at("recording").addEventListener("change", record);
  at("forget").addEventListener("click", () => { at("recording").value = ""; record(); at("recording").focus(); });
  at("cancel").addEventListener("click", cancel);
}
