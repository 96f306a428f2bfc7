// Copies the text of a field. Without this script people select it by hand.

for (const snippet of document.querySelectorAll(".snippet")) {
  const field = snippet.querySelector("textarea");
  const button = snippet.querySelector("button");
  const status = snippet.querySelector("[role=status]");

  field.addEventListener("focus", () => field.select());

  // Browsers let only pages loaded over https or from this machine copy.
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = status.dataset.copied;
    } catch {
      field.focus();
    }
  });
}
