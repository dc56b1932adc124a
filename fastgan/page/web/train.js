// The demo: a short training run, whose progress every page shows that asks for it.

let watching = false;

async function watchTraining() {
  if (watching) return;
  watching = true;
  try {
    let heard = "";
    for (;;) {
      const run = await ask("/api/training");
      showTraining(run);
      if (run.state !== "running" && run.state !== "stopping") { await trained(run); return; }
      if (run.state !== heard) say(run.state === "running" ? "The demo is being trained." : "Stopping, and saving what was learnt.");
      heard = run.state;
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
  } catch (problem) {
    complain(problem.message);
  } finally {
    watching = false;
  }
}

function showTraining(run) {
  const busy = run.state === "running" || run.state === "stopping";
  at("train").hidden = busy;
  at("training-progress").hidden = !busy;
  at("training-bar").value = Math.min(1, run.seconds / run.of);
  at("training-words").textContent = run.state === "stopping" ? "Saving …" : `${clock(run.seconds)} of about ${clock(run.of)}`;
  at("training-said").textContent = run.words;
  at("stop").disabled = run.state !== "running";
}

async function trained(run) {
  if (run.state === "failed") {
    say("");
    complain(`The training failed: ${run.words}`);
    return;
  }
  const now = await ask("/api/state"), made = now.runs.find((one) => one.name === run.run && !one.why_not);
  state.runs = now.runs;
  showRuns();
  if (made) { at("run").value = made.id; showRun(); at("go").focus(); }
  say(made ? `${run.run} is ready.` : "Stopped before it had learnt to make music.");
}

async function train(method) {
  complain("");
  try {
    showTraining(await ask("/api/training", { method }));
    watchTraining();
  } catch (problem) {
    complain(problem.message);
  }
}

function readyTraining() {
  at("training").hidden = !state.training;
  if (!state.training) return;
  at("train").addEventListener("click", () => train("POST"));
  at("stop").addEventListener("click", () => train("DELETE"));
  if (state.training.state === "running" || state.training.state === "stopping") watchTraining();
}
