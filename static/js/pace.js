// Says how long the filling in took, in milliseconds from the first change to the sending. It says
// nothing unless all that a signer must fill in was changed on this page: whoever corrects one
// field may be as quick as they like. Without this script nothing is said, which means nothing.

const NEEDED = ["name", "name_use", "email", "residence", "consent"];
const field = document.querySelector("input[name=pace]");
const changed = new Set();
let start = 0;

field.form.addEventListener("input", (event) => {
  start = start || performance.now();
  changed.add(event.target.name);
});

field.form.addEventListener("submit", () => {
  const isWhole = NEEDED.every((name) => changed.has(name));
  field.value = isWhole ? String(Math.round(performance.now() - start)) : "";
});
