// The menus of saved views close on Escape and on a click elsewhere; links are copied at the press of a button.
(() => {
  const open = () => document.querySelectorAll(".saved-views details[open]");

  document.addEventListener("click", (event) => {
    for (const menu of open()) if (!menu.contains(event.target)) menu.open = false;
  });

  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    for (const menu of open()) {
      const wasInside = menu.contains(document.activeElement);
      menu.open = false;
      if (wasInside) menu.querySelector("summary").focus();
    }
  });

  for (const button of document.querySelectorAll("[data-copy-from]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const field = document.getElementById(button.dataset.copyFrom);
      field.select();
      try {
        await navigator.clipboard.writeText(field.value);
        button.textContent = "Copied";
      } catch {
        // Without a secure connection there is no clipboard: what is selected can be copied by hand.
        button.textContent = "Selected";
      }
    });
  }
})();
