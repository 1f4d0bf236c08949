// Draws the contract with Swagger UI, in the colours that the browser prefers.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", follow);
follow();

const place = document.getElementById("swagger-ui");
const tries = "try" in place.dataset;
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.contract,
  presets: [SwaggerUIBundle.presets.apis],
  layout: "BaseLayout",
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  supportedSubmitMethods: tries ? ["post"] : [],
  validatorUrl: null, // it would ask a service elsewhere
});
