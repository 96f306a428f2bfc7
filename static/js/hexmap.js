// Makes the map of constituencies one tab stop. Arrow keys move the focus to the nearest hexagon in
// their direction. Without this script every hexagon is a tab stop.
"use strict";

const seats = [...document.querySelectorAll(".hexmap .seat")];
const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const middle = (seat) => ["x", "y"].map((name) => Number(seat.firstChild.getAttribute(name)));

// Returns the distance to another hexagon, in which the part across the direction counts double;
// Infinity if it is not in that direction.
const distance = (from, to, [right, down]) => {
  const [across, below] = [to[0] - from[0], to[1] - from[1]];
  const ahead = across * right + below * down;
  const aside = Math.abs(across * down) + Math.abs(below * right);
  return ahead > 1 && aside <= ahead ? ahead + 2 * aside : Infinity;
};

const neighbour = (seat, way) => {
  const from = middle(seat);
  const [least, nearest] = seats.reduce(
    (best, other) => {
      const far = distance(from, middle(other), way);
      return far < best[0] ? [far, other] : best;
    },
    [Infinity, seat],
  );
  return least === Infinity ? seat : nearest;
};

seats.forEach((seat, number) => seat.setAttribute("tabindex", number === 0 ? "0" : "-1"));
document.querySelector(".hexmap svg")?.addEventListener("keydown", (event) => {
  const way = ways[event.key];
  const seat = event.target.closest(".seat");
  if (!way || !seat) return;
  event.preventDefault();
  const next = neighbour(seat, way);
  seat.setAttribute("tabindex", "-1");
  next.setAttribute("tabindex", "0");
  next.focus();
});
