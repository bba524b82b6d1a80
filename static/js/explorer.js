// The period's two days are shown only while no preset is chosen, and choosing one empties them.
// Suggestions for the filters are fetched when the filters are opened for the first time.
(() => {
  const form = document.getElementById("query");
  const preset = form.elements.namedItem("preset");
  const days = form.querySelector("[data-days]");
  const [start, end] = ["start", "end"].map((name) => form.elements.namedItem(name));
  const show = () => {
    days.hidden = preset.value !== "";
  };

  form.addEventListener(
    "change",
    (event) => {
      if (event.target === preset) {
        if (preset.value !== "") start.value = end.value = "";
        show();
        if (preset.value === "") {
          // Nothing to ask for until a day is given.
          event.stopImmediatePropagation();
          start.focus();
        }
      }
    },
    true,
  );
  show();

  // A details element tells of its opening without bubbling, and is replaced with the filters: listen on the way down.
  form.addEventListener("toggle", () => htmx.trigger("#suggestions", "wanted"), true);
})();
