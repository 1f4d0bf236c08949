// Draws the contract with Swagger UI, and names what it leaves without a name for screen readers.
"use strict";

const place = document.getElementById("swagger-ui");
const named = {
  "#servers": "Server",
  ".examples-select-element": "Example",
  ".content-type": "Media type",
  textarea: "Request body",
  ".copy-to-clipboard > button": "Copy",
};

function mend() {
  for (const [selector, name] of Object.entries(named)) {
    for (const each of place.querySelectorAll(`${selector}:not([aria-label])`)) each.setAttribute("aria-label", name);
  }
  for (const each of place.querySelectorAll("[role=region]:not([aria-label])")) each.setAttribute("aria-label", each.id);
  // Its headings begin at the third level, below a first.
  for (const level of [3, 4, 5]) {
    for (const each of place.querySelectorAll(`h${level}:not([aria-level])`)) each.setAttribute("aria-level", level - 1);
  }
  for (const each of place.querySelectorAll("pre:not([tabindex])")) each.setAttribute("tabindex", "0");
}

new MutationObserver(mend).observe(place, { childList: true, subtree: true });
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.contract,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: false, // it puts a link into a button
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: "try" in place.dataset ? ["post"] : [],
  syntaxHighlight: false, // its colours are unreadable on one of the two grounds
  validatorUrl: null, // it would ask a service elsewhere
});
