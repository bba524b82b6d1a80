// Buttons that take a moment say so while they work, and cannot be pressed twice. `data-busy` is what they say.
(() => {
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.isBusy) {
      event.preventDefault();
      return;
    }
    const button = event.submitter;
    if (!button || !button.dataset.busy || event.defaultPrevented) return;
    form.dataset.isBusy = "1";
    button.dataset.says = button.textContent;
    button.textContent = button.dataset.busy;
    button.setAttribute("aria-disabled", "true");
  });

  // A page that comes back from the browser's cache is not busy any more.
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-is-busy]")) {
      delete form.dataset.isBusy;
      for (const button of form.querySelectorAll("[data-says]")) {
        button.textContent = button.dataset.says;
        button.removeAttribute("aria-disabled");
      }
    }
  });
})();
