// Refreshes the figures of news while it is sent. Without this script people reload the page.

const box = document.getElementById("news-progress");
const SECONDS = 3;

async function refresh() {
  const response = await fetch(location.href, { credentials: "same-origin" }).catch(() => null);
  if (response && response.ok) {
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const fresh = page.getElementById("news-progress");
    // When sending has ended, the page has other buttons, too.
    if (!fresh || !fresh.querySelector("progress")) return location.reload();
    box.replaceChildren(...fresh.childNodes);
  }
  setTimeout(refresh, SECONDS * 1000);
}

if (box && box.querySelector("progress")) setTimeout(refresh, SECONDS * 1000);
