// Refreshes the parts of the cockpit while the page is visible and not paused. It starts paused for
// people who prefer reduced motion. Without this script a link loads the page again.

const EVERY = 30_000;
const page = document.querySelector(".cockpit");
const controls = page.querySelector(".renewing");

if (controls) {
  const button = controls.querySelector("button");
  const told = controls.querySelector("span");
  let isPaused = matchMedia("(prefers-reduced-motion: reduce)").matches;
  let timer = 0;

  const show = (words) => {
    button.textContent = isPaused ? "Refresh automatically" : "Pause";
    told.textContent = words;
  };
  const schedule = () => {
    clearTimeout(timer);
    if (!isPaused && !document.hidden) timer = setTimeout(renew, EVERY);
  };

  async function renew() {
    // The header says that no person asked, so that an unused login still ends.
    const asked = { headers: { "X-Renewal": "1" } };
    const response = await fetch(location.href, asked).catch(() => null);
    if (response && (response.redirected || response.status === 403)) {
      isPaused = true;
      return void show("You are logged out. Load the page again.");
    }
    if (response?.ok) replace(new DOMParser().parseFromString(await response.text(), "text/html"));
    show(response?.ok ? "Refreshed every half minute." : "No answer. These are earlier figures.");
    schedule();
  }

  // Keeps a part that has the focus. Screen readers do not read out unchanged parts again.
  function replace(fresh) {
    for (const part of page.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      const isUsed = part.contains(document.activeElement);
      if (next && !isUsed && next.innerHTML !== part.innerHTML) {
        part.replaceChildren(...next.childNodes);
      }
    }
  }

  button.addEventListener("click", () => {
    isPaused = !isPaused;
    if (isPaused) {
      clearTimeout(timer);
      show("Paused.");
    } else renew();
  });
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden && !isPaused) renew();
  });
  controls.hidden = false;
  show(isPaused ? "Paused." : "Refreshed every half minute.");
  schedule();
}
