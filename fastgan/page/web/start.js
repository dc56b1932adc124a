// What happens when the page opens; a job that it had asked for before it was loaded again is followed on.

async function start() {
  try {
    state = await ask("/api/state");
  } catch (problem) {
    complain(problem.message);
    return;
  }
  readyForm();
  readyTraining();
  showRuns();
  showClips(state.clips);
  if (state.notes.length) complain(`Clips that cannot be shown: ${state.notes.join("; ")}`);
  ticket = sessionStorage.getItem("ticket");
  if (ticket) { show(true); follow(); }
}

start();
