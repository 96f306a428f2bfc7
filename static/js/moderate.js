// Ticks all rows of the page at once, says how many are ticked, and shows the buttons once a row is.
// Without this script moderators tick each row, and the buttons are always shown.

const all = document.getElementById("tick-all");
const form = document.getElementById("decide");

if (all && form) {
  const rows = () => [...form.querySelectorAll("[name=chosen]")];
  const bar = form.querySelector(".decide-bar");
  const told = form.querySelector("[data-ticked]");
  const tell = () => {
    const ticked = rows().filter((row) => row.checked).length;
    all.checked = ticked > 0 && ticked === rows().length;
    all.indeterminate = ticked > 0 && !all.checked;
    const isAll = form.querySelector("[name=scope][value=all]:checked");
    if (bar) bar.classList.toggle("idle", !ticked && !isAll);
    if (told) told.textContent = ticked ? `${ticked} ticked` : told.dataset.ticked;
  };
  all.hidden = false;
  all.addEventListener("change", () => {
    for (const row of rows()) row.checked = all.checked;
    tell();
  });
  form.addEventListener("change", (event) => event.target !== all && tell());
  tell();
}
