// Copies the petition's URL, opens the system's share sheet if there is one, and adds the source of
// the page's URL to its links. Without this script people copy the URL by hand, and links have no
// source.

const section = document.querySelector(".sharing");
const field = section.querySelector("#share-address");
const copy = section.querySelector(".copy-row button");
const status = section.querySelector("[role=status]");
const sheet = section.querySelector(".share-sheet");

field.addEventListener("focus", () => field.select());

// Browsers let only pages loaded over https or from this machine copy.
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
    // Rejected when the reader closes the sheet, which is no error.
    navigator.share({ title, text, url: address }).catch(() => {});
  });
}

// People who change the language or read the statement first still came by the same link.
const source = new URLSearchParams(location.search).get("s") ?? "";
if (/^[a-z0-9-]{1,32}$/i.test(source)) {
  const links = document.querySelectorAll(".languages a, a.to-statement");
  for (const link of links) link.search = `?s=${source}`;
}
