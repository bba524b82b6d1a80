// Swagger UI, on the schema that the page names. Requests are made with the session, or with a token once one is typed.
(() => {
  const place = document.getElementById("swagger-ui");
  const { schema, csrf } = place.dataset;
  const isDark = matchMedia("(prefers-color-scheme: dark)");

  function paint() {
    const chosen = document.documentElement.dataset.theme;
    document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : isDark.matches);
  }

  paint();
  isDark.addEventListener("change", paint);
  SwaggerUIBundle({
    domNode: place,
    url: schema,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    filter: true,
    validatorUrl: null,
    // A session changes nothing without the token of a form. Nothing of it is sent elsewhere.
    requestInterceptor: (request) => {
      if (new URL(request.url, location.href).origin === location.origin) request.headers["X-CSRFToken"] = csrf;
      return request;
    },
  });
})();
