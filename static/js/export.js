// Shows the progress of an export. Without this script the browser shows its download, and the list
// of exports says how many rows were sent.

const form = document.getElementById("export");
const shown = document.getElementById("export-progress");
const bar = shown.querySelector("progress");
const status = shown.querySelector("[role=status]");
// Seconds within which the server should have recorded a new export.
const PATIENCE = 20;

async function ask(number) {
  const url = form.dataset.progress.replace("00000000-0000-0000-0000-000000000000", number);
  const response = await fetch(url, { credentials: "same-origin" });
  return response.ok ? response.json() : null;
}

async function follow(number) {
  for (let second = 0; ; second += 1) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // The network may fail for a moment while the server goes on.
    const said = await ask(number).catch(() => null);
    if (!said && second > PATIENCE) return void (shown.hidden = true);
    if (!said) continue;
    bar.value = said.state === "done" ? 1 : said.rows / Math.max(said.expected, said.rows, 1);
    status.textContent = said.words;
    if (said.state !== "running") return;
  }
}

form.addEventListener("submit", (event) => {
  if (event.submitter && event.submitter.name === "count") return;
  const number = form.elements.number.value;
  // The page stays while the file is downloaded, and what was wrong before is not any more.
  form.querySelectorAll(".errorlist").forEach((error) => error.remove());
  shown.hidden = false;
  bar.removeAttribute("value");
  status.textContent = "";
  follow(number);
  // The next press makes another export. Browsers offer randomUUID only to pages over https.
  if (crypto.randomUUID) setTimeout(() => (form.elements.number.value = crypto.randomUUID()));
});
