// Copies what stands in a field to be copied. Without this script it is selected by hand.

for (const snippet of document.querySelectorAll(".snippet")) {
  const field = snippet.querySelector("textarea");
  const button = snippet.querySelector("button");
  const status = snippet.querySelector("[role=status]");

  field.addEventListener("focus", () => field.select());

  // Browsers let pages copy only if they came over https, or from this machine.
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
