// Shows a preview of the texts half a second after the last key. The server renders it, as for the
// button "Show the preview", which does the same without this script.

const form = document.getElementById("texts");
const PAUSE = 500;
let waiting;
let asked = 0;

async function show() {
  const mine = ++asked;
  const typed = new FormData(form);
  typed.set("act", "preview");
  const sent = { method: "POST", body: typed, credentials: "same-origin" };
  const response = await fetch(location.href, sent).catch(() => null);
  // Ignore the response if a later key has sent another request.
  if (!response || !response.ok || mine !== asked) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const frame of form.querySelectorAll("iframe")) {
    const fresh = page.getElementById(frame.id);
    if (fresh && fresh.srcdoc !== frame.srcdoc) frame.srcdoc = fresh.srcdoc;
  }
}

form.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(show, PAUSE);
});
