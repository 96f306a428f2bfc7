// Shows the progress of a bulk decision. Without this script a link loads the page again.

const shown = document.getElementById("progress");
const bar = shown.querySelector("progress");
const status = shown.querySelector("[role=status]");

async function follow() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 1500));
    // The network may fail for a moment while the server goes on.
    const response = await fetch(shown.dataset.url).catch(() => null);
    if (!response || !response.ok) continue;
    const said = await response.json();
    bar.value = said.fraction;
    status.textContent = said.words;
    if (said.state !== "running") return void location.reload();
  }
}

follow();
