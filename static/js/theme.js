// Before the first paint: the theme somebody chose, and that scripts run at all.
(() => {
  const root = document.documentElement;
  root.classList.add("with-script");
  try {
    const chosen = localStorage.getItem("theme");
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Storage is switched off: the system's theme holds.
  }
})();
