// Four enhancements of the signing form, which works without them.

const field = document.querySelector("input[name=pace]");
const form = field.form;

// 1. Fill in `pace`: the milliseconds from the first change to sending. It stays empty unless all
// required fields were changed on this page, because correcting one field may be quick. An empty
// value is not held against anybody.

const NEEDED = ["name", "name_use", "email", "residence", "consent"];
const changed = new Set();
let start = 0;

form.addEventListener("input", (event) => {
  start = start || performance.now();
  changed.add(event.target.name);
});

function sayPace() {
  const isWhole = NEEDED.every((name) => changed.has(name));
  field.value = isWhole ? String(Math.round(performance.now() - start)) : "";
}

// 2. Keep what was typed if the network is down. If sending fails, browsers replace the form with an
// error page, so this first checks with a HEAD request that the site can be reached. Browsers that
// cannot do this send the form as without a script. If the request fails although there is a
// network, the next press sends the form, because some proxies drop or delay HEAD requests. The
// check is made whatever `navigator.onLine` says, which is wrong behind some VPNs.

const PATIENCE = 15_000;
const canAsk = "timeout" in AbortSignal && "requestSubmit" in form;
const unsent = form.querySelector(".unsent");
let state = "idle";
let wasInVain = false;

async function isReached() {
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    await fetch(location.pathname, { method: "HEAD", cache: "no-store", signal });
    return true;
  } catch {
    wasInVain = navigator.onLine;
    return false;
  }
}

form.addEventListener("submit", async (event) => {
  if (state === "reached") return;
  if (!canAsk) return sayPace();
  if (wasInVain && navigator.onLine) {
    state = "reached";
    return sayPace();
  }
  event.preventDefault();
  if (state === "asking") return;
  state = "asking";
  sayPace();
  unsent.textContent = "";
  if (await isReached()) {
    state = "reached";
    form.requestSubmit(event.submitter);
  } else {
    state = "idle";
    unsent.textContent = unsent.dataset.says;
  }
});

// Empty a sent form when the page is left. Otherwise the browser's back button would show its data
// to the next user of the phone. The response has the data again if something must be corrected.
addEventListener("pagehide", () => {
  if (state === "reached") form.reset();
  state = "idle";
});

// 3. Show a hint when a field is left that looks incomplete, and remove it once that is corrected.
// A hint moves the content below it, so it waits until the press that left the field is over.

const LOOKS_RIGHT = {
  email: /^\S+@\S+\.\S{2,}$/u,
  postcode: /^(\p{L}{1,2}[\p{Nd}OIL][\p{L}\p{Nd}]?[\s\p{P}]*[\p{Nd}OIL]\p{L}{2}|BFPO\s*\p{Nd}+)$/iu,
};

let pressed = Promise.resolve();
addEventListener("pointerdown", () => {
  pressed = new Promise((over) => {
    for (const end of ["click", "pointercancel"]) addEventListener(end, over, { once: true });
  });
});

for (const hint of form.querySelectorAll(".hint")) {
  const input = form.elements[hint.dataset.for];
  const looksRight = () => {
    const typed = input.value.replace(/\p{Cf}|^[\s\p{P}]+|[\s\p{P}]+$/gu, "");
    return !typed || LOOKS_RIGHT[hint.dataset.for].test(typed);
  };
  input.after(hint);
  input.addEventListener("change", async () => {
    await pressed;
    hint.textContent = looksRight() ? "" : hint.dataset.says;
  });
  input.addEventListener("input", () => {
    if (looksRight()) hint.textContent = "";
  });
}

// 4. Scroll to the message in a response. It has the focus when the page opens, but then the form's
// empty fragment scrolls to the top, where the page looks as before.

const said = document.querySelector("[autofocus]");

function show() {
  if (said && document.activeElement === said) said.scrollIntoView({ block: "start" });
}

if (document.readyState === "complete") show();
else addEventListener("load", () => requestAnimationFrame(show));
