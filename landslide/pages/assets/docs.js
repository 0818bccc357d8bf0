// The page to try the API: Swagger UI over our own description, asking no other host.

const ui = /** @type {any} */ (globalThis).SwaggerUIBundle;

ui({
  dom_id: "#api",
  url: "/openapi.json",
  deepLinking: true,
  validatorUrl: null,
  tryItOutEnabled: true,
});
