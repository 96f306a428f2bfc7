// Copies the petition's address, opens the system's share sheet where there is one, and keeps
// the source of a link on the way to other pages. Without this script the address stands in
// a field to be copied by hand, and the links work.

const section = document.querySelector(".sharing");
const field = section.querySelector("#share-address");
const copy = section.querySelector(".copy-row button");
const status = section.querySelector("[role=status]");
const sheet = section.querySelector(".share-sheet");

field.addEventListener("focus", () => field.select());

// Browsers let pages copy only if they came over https, or from this machine.
if (navigator.clipboard) {
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = status.dataset.copied;
    } catch {
      field.focus();
    }
  });
}

if (navigator.share) {
  sheet.hidden = false;
  const { title, text, address } = sheet.firstElementChild.dataset;
  sheet.firstElementChild.addEventListener("click", () => {
    // Rejected when the reader closes the sheet, which is no mistake.
    navigator.share({ title, text, url: address }).catch(() => {});
  });
}

// Whoever changes the language, or reads the statement first, still came by the same link.
const source = new URLSearchParams(location.search).get("s") ?? "";
if (/^[a-z0-9-]{1,32}$/i.test(source)) {
  const links = document.querySelectorAll(".languages a, a.to-statement");
  for (const link of links) link.search = `?s=${source}`;
}
