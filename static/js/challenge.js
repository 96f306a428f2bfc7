// Solves the challenge in a page with ALTCHA's own worker. Without this script, or if it fails, the
// form can be sent after a wait: see templates/petitions.

const PATIENCE = 20_000;
const box = document.getElementById("challenge");
const form = box.closest("form");
const status = box.querySelector("[role=status]");
const task = JSON.parse(box.dataset.task);
let state = "working";
let wantsToSend = null;

function say(name) {
  state = name;
  status.hidden = false;
  status.textContent = status.dataset[name];
}

function solve() {
  // More than four workers take longer to start than they save.
  const count = Math.min(4, navigator.hardwareConcurrency || 1);
  const workers = Array.from({ length: count }, () => new Worker(box.dataset.worker));
  const found = workers.map(
    (worker, place) =>
      new Promise((resolve, reject) => {
        worker.onmessage = ({ data }) =>
          data?.derivedKey ? resolve(data) : reject(new Error("none"));
        worker.onerror = reject;
        worker.postMessage({
          type: "work", challenge: task, counterStart: place, counterStep: count, timeout: PATIENCE,
        });
      }),
  );
  const tooLong = new Promise((_, reject) => setTimeout(reject, PATIENCE));
  return Promise.race([Promise.any(found), tooLong]).finally(() =>
    workers.forEach((worker) => worker.terminate()),
  );
}

form.addEventListener("submit", (event) => {
  if (state !== "working" && state !== "sending") return;
  event.preventDefault();
  wantsToSend = event.submitter;
  say("sending");
});

async function start() {
  // Browsers offer crypto.subtle only to pages loaded over https or from this machine.
  if (!globalThis.crypto?.subtle || !globalThis.Worker) throw new Error("cannot calculate");
  say("working");
  const solution = await solve();
  form.elements.altcha.value = btoa(JSON.stringify({ challenge: task, solution }));
}

start().then(
  () => {
    const wasPressed = state === "sending";
    say("ready");
    // Safari before 16 has no requestSubmit, and before 15.4 no submitter.
    if (wasPressed) (wantsToSend || form.querySelector("[type=submit]")).click();
  },
  () => say("failed"),
);
