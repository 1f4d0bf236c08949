// Keeps what is marked data-live up to date: asks for the same page again and puts the parts that changed in place.
"use strict";

const SECOND = 1000;
const SLOW = 300; // ms; a server that has to wait for a store is asked less often
const news = document.getElementById("news");
const pause = document.getElementById("pause");
let paused = false;

// Changes only what differs: what has the focus, is scrolled or opened stays so.
function put(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  const children = [...old.childNodes];
  const wanted = [...fresh.childNodes];
  for (const [place, child] of children.entries()) {
    if (place < wanted.length) put(child, wanted[place]);
    else child.remove();
  }
  old.append(...wanted.slice(children.length));
}

async function look() {
  if (paused || document.hidden) return SECOND;
  const began = performance.now();
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (answer.headers.has("retry-after")) return SECOND; // other pages wait for a store
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const told = fresh.getElementById("news");
    if (told === null) throw new Error("another page");
    for (const part of document.querySelectorAll("[data-live]")) {
      const next = fresh.getElementById(part.id);
      if (next !== null) put(part, next);
    }
    // Only what changed is written, for that is what a screen reader says.
    const text = told.textContent.trim();
    if (news.textContent.trim() !== text) news.textContent = text;
    return performance.now() - began > SLOW ? 4 * SECOND : SECOND;
  } catch {
    news.textContent = "The server does not answer.";
    return 4 * SECOND;
  }
}

async function goOn() {
  setTimeout(goOn, await look());
}

pause.hidden = false;
pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
});

for (const button of document.querySelectorAll("[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
    document.getElementById("copied").textContent = `Copied the ${button.dataset.copies} line.`;
  });
}

setTimeout(goOn, SECOND);
