// The explorer: the form swaps the report; a link of the explorer to the explorer swaps the question too; filters are
// picked from lists. All of it works without this script as a plain form and plain links.
//
// For charts and whoever else leads into the explorer: dispatch `explorer:go` on document with the address,
//
//   const event = new CustomEvent("explorer:go", { detail: { url }, cancelable: true });
//   if (document.dispatchEvent(event)) location.assign(url); // on a page without this script
//
// and it is gone to as by a link. A link that shall keep the focus over a swap needs an id; the links in a table's
// head keep it by their column, those to other pages by their rel.
(() => {
  const explorer = document.getElementById("explorer");
  const answered = document.getElementById("answered");
  const unanswered = document.getElementById("unanswered");
  const byId = (id) => document.getElementById(id);

  // ---- asking

  // A request that is given up for a newer one or fails rejects the promise; the events below tell of failures.
  const get = (address, context) => htmx.ajax("GET", address, context).catch(() => {});
  const ask = () => htmx.trigger(byId("query"), "asked");

  function go(address, from = document.activeElement) {
    const url = new URL(address, location.href);
    if (url.origin !== location.origin || url.pathname !== location.pathname) {
      location.assign(url);
      return;
    }
    wanted = place(from);
    get(url.pathname + url.search, { source: explorer, target: explorer, swap: "innerHTML show:none" });
  }

  document.addEventListener("explorer:go", (event) => {
    event.preventDefault();
    go(event.detail.url);
  });

  document.addEventListener("click", (event) => {
    const link = event.target.closest("#explorer a[href], a[data-again]");
    if (!link || event.defaultPrevented || event.button) return;
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey || link.target || link.hasAttribute("download")) return;
    if (link.matches("[data-again]")) {
      event.preventDefault();
      ask();
    } else if (link.hash && link.getAttribute("href").startsWith("#")) {
      const picker = byId(link.hash.slice(1));
      if (picker?.matches(".picker")) {
        event.preventDefault();
        open(picker);
      }
    } else if (link.origin === location.origin && link.pathname === location.pathname) {
      event.preventDefault();
      go(link.href, link);
    }
  });

  // ---- the answer: what is said of it, where the focus goes, and what became stale

  // Where the focus was before a link was followed, so that it can be found again.
  let wanted = null;

  function place(element) {
    if (!explorer.contains(element)) return null;
    if (element.id) return `#${CSS.escape(element.id)}`;
    const head = element.closest("#report .rows thead th");
    if (head) return `#report .rows thead th:nth-child(${head.cellIndex + 1}) a`;
    if (element.matches("#report nav a[rel]")) return `#report nav a[rel="${CSS.escape(element.rel)}"]`;
    return element.closest("#filters") ? "#filters a.remove" : "#report";
  }

  function settle() {
    const heading = document.querySelector("#report h2");
    const total = document.querySelector("#report .summary .figure");
    answered.textContent = heading ? [heading.textContent, total?.textContent].filter(Boolean).join(": ") : "";
    const wrong = new Set([...document.querySelectorAll("#report [data-problem]")].map((each) => each.dataset.problem));
    for (const control of byId("query").elements) {
      if (control.type === "hidden") continue;
      if (wrong.has(control.name)) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
    for (const picker of document.querySelectorAll(".picker")) {
      const count = inForce(picker.dataset.dimension).length;
      picker.classList.toggle("is-on", count > 0);
      picker.querySelector("[data-in-force]").textContent = count ? `, ${count} in force` : "";
    }
    unfold();
    if (wanted && (document.activeElement === document.body || document.activeElement === null)) {
      (document.querySelector(wanted) ?? byId("report")).focus({ preventScroll: true });
    }
    // Another page of the table is read from its top; the link to the next one keeps the focus below.
    if (wanted?.startsWith("#report nav")) document.querySelector("#report .rows")?.scrollIntoView();
    wanted = null;
  }

  // Browsers that cannot show a closed details element's content by a style get it opened on wide screens.
  function unfold() {
    if (!CSS.supports("selector(::details-content)") && matchMedia("(min-width: 701px)").matches) {
      document.querySelector(".question").open = true;
    }
  }

  const isReport = (event) => event.detail.elt === explorer || event.detail.elt.id === "query";

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isReport(event)) byId("report").setAttribute("aria-busy", "true");
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (!isReport(event)) return;
    byId("report").removeAttribute("aria-busy");
    if (event.detail.successful || event.detail.xhr.status === 400) unanswered.hidden = true;
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    if (["report", "explorer"].includes(event.detail.target.id)) settle();
    const summary = event.detail.target.closest(".panel")?.querySelector("[data-summary]");
    if (summary) answered.textContent = summary.textContent;
  });
  for (const failure of ["htmx:sendError", "htmx:responseError", "htmx:timeout"]) {
    document.addEventListener(failure, (event) => {
      if (event.detail.xhr?.status === 400) return;
      if (isReport(event)) unanswered.hidden = false;
      else if (event.detail.target?.matches(".panel, .values")) event.detail.target.textContent = "The values did not come. Close this and open it again.";
    });
  }

  // ---- the period: two days, shown while no preset is chosen

  explorer.addEventListener(
    "change",
    (event) => {
      if (event.target.name !== "preset") return;
      const [start, end] = [byId("control-start"), byId("control-end")];
      if (event.target.value === "") {
        // The days of the report to begin with: nothing to ask for until one is changed.
        event.stopImmediatePropagation();
        start.value ||= byId("filters").dataset.start ?? "";
        end.value ||= byId("filters").dataset.end ?? "";
        start.focus();
      } else {
        start.value = end.value = "";
      }
    },
    true,
  );

  // ---- filters: the form holds what is in force in hidden fields

  const names = (dimension) => [dimension, `${dimension}!`];
  const inForce = (dimension) =>
    [...byId("filters").querySelectorAll("input[type=hidden]")].filter((field) => names(dimension).includes(field.name));

  function put(name, value) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    field.setAttribute("form", "query");
    byId("filters").append(field);
  }

  explorer.addEventListener("change", (event) => {
    const picker = event.target.closest(".picker");
    if (!picker) return;
    const { dimension } = picker.dataset;
    const mode = picker.querySelector("[data-mode]:checked")?.value ?? "";
    if (event.target.matches("[data-value]")) {
      const { value, checked } = event.target;
      for (const field of inForce(dimension)) if (field.value === value) field.remove();
      if (checked) put(dimension + mode, value);
      ask();
    } else if (event.target.matches("[data-mode]")) {
      const checked = [...picker.querySelectorAll("[data-value]:checked")].map((box) => box.value);
      const fields = inForce(dimension);
      if (!fields.length && !checked.length) return;
      for (const field of fields) field.name = dimension + mode;
      ask();
    }
  });

  // ---- what opens over the page: one at a time, closed by Escape, by a click or the focus elsewhere

  const OVERLAYS = ".picker[open], .more-chips[open]";

  // Anew at each opening: what the values cost depends on the rest of the question.
  function load(picker) {
    const panel = picker.querySelector(".panel");
    get(picker.dataset.values, { source: panel, target: panel });
  }

  function open(picker) {
    document.querySelector(".question").open = true;
    const more = picker.closest(".more-pickers");
    if (more) more.open = true;
    align(picker);
    picker.open = true;
    picker.scrollIntoView({ block: "nearest" });
  }

  // Over the right edge it would make the page scroll sideways.
  function align(overlay) {
    const { clientWidth } = document.documentElement;
    const isOver = overlay.getBoundingClientRect().left + 420 > clientWidth;
    overlay.classList.toggle("to-the-left", clientWidth > 700 && isOver);
  }

  document.addEventListener(
    "toggle",
    (event) => {
      const overlay = event.target;
      if (!overlay.matches?.(OVERLAYS)) return;
      for (const other of document.querySelectorAll(OVERLAYS)) if (other !== overlay) other.open = false;
      if (overlay.matches(".picker")) load(overlay);
    },
    true,
  );
  document.addEventListener(
    "click",
    (event) => {
      const summary = event.target.closest(".picker > summary, .more-chips > summary");
      if (summary) align(summary.parentElement);
    },
    true,
  );
  document.addEventListener("pointerdown", (event) => {
    for (const overlay of document.querySelectorAll(OVERLAYS)) if (!overlay.contains(event.target)) overlay.open = false;
  });
  document.addEventListener("focusout", (event) => {
    const overlay = event.target.closest?.(OVERLAYS);
    if (overlay && event.relatedTarget && !overlay.contains(event.relatedTarget)) overlay.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const overlay = event.target.closest?.(OVERLAYS);
    if (!overlay) return;
    if (event.key === "Escape") {
      event.preventDefault();
      overlay.open = false;
      overlay.querySelector("summary").focus();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const stops = [...overlay.querySelectorAll("[type=search], [data-value], .more button")];
      const next = stops[stops.indexOf(event.target) + (event.key === "ArrowDown" ? 1 : -1)];
      if (!stops.includes(event.target) || !next) return;
      event.preventDefault();
      next.focus();
    }
  });

  unfold();
})();
