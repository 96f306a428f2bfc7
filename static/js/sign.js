// Four helps for those who sign. The form works without them.

const field = document.querySelector("input[name=pace]");
const form = field.form;

// 1. How long the filling in took, in milliseconds from the first change to the sending. Nothing is
// said unless all that a signer must fill in was changed on this page: whoever corrects one field
// may be as quick as they like. That nothing is said means nothing.

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

// 2. A lost network keeps what was typed. Browsers show a page of their own in the form's place when
// the sending fails; so the site is asked first whether it can be reached. Browsers that lack what
// this takes send the form as without a script. Where there is a network and the site was asked in
// vain, the next press sends the form: some proxies drop a HEAD, or hold it back. It is asked
// whatever `navigator.onLine` says, which is wrong behind some VPNs.

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

// What was sent is gone from the page when it is left, or the browser's button would show it to
// whoever holds the telephone next. The answer has what still needs mending.
addEventListener("pagehide", () => {
  if (state === "reached") form.reset();
  state = "idle";
});

// 3. A word about what looks incomplete, once a field was left; gone as soon as it is mended.
// It moves what stands below, so it waits until the press that left the field has hit its mark.

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

// 4. What an answer says is shown. It has the focus when the page opens; but then the form's empty
// fragment scrolls to the top, where the page looks as before.

const said = document.querySelector("[autofocus]");

function show() {
  if (said && document.activeElement === said) said.scrollIntoView({ block: "start" });
}

if (document.readyState === "complete") show();
else addEventListener("load", () => requestAnimationFrame(show));
