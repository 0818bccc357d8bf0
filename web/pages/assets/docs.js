// The page to try the API: Swagger UI over our own description, asking no other host.

const ui = /** @type {any} */ (globalThis).SwaggerUIBundle;

ui({
  dom_id: "#api",
  url: "/openapi.json",
  // With deep links there would be a link inside each button.
  deepLinking: false,
  validatorUrl: null,
  tryItOutEnabled: true,
  onComplete() {
    // These come right below the page's title.
    for (const heading of document.querySelectorAll("h3.opblock-tag, .models > h4")) heading.setAttribute("aria-level", "2");
  },
});
