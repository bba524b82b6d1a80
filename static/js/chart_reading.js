// Tells a period's figures in a box beside it, exactly: by pointer anywhere in its column, by touch, and by the arrow
// keys, then also to screen readers. A click on a series goes where its entry in the legend leads.
//
// Comes before chart.js, whose `charts-drawn` it waits for.
(() => {
  const element = (name, text = "", className = "") => Object.assign(document.createElement(name), { textContent: text, className });

  // ---- exact figures, as the server writes them: everything is counted in billionths

  const NANO = 10n ** 9n;

  function nanos(text) {
    const [whole, fraction = ""] = text.replace("-", "").split(".");
    const amount = BigInt(whole) * NANO + BigInt(fraction.padEnd(9, "0"));
    return text.startsWith("-") ? -amount : amount;
  }

  const halfUp = (figure, unit) => (figure + unit / 2n) / unit;

  // Writes exact figures as text, in the currency or the unit of a chart.
  function writer({ currency, symbol, digits, measure }) {
    const decimals = (figure, places) => {
      const scale = 10n ** BigInt(places);
      const rounded = halfUp(figure, NANO / scale);
      const fraction = places ? `.${String(rounded % scale).padStart(places, "0")}` : "";
      return (rounded / scale).toLocaleString("en") + fraction;
    };
    return (figure) => {
      const sign = figure < 0n ? "−" : "";
      const amount = figure < 0n ? -figure : figure;
      if (!currency) {
        const unit = measure === "tokens" && [[10n ** 9n, "B"], [10n ** 6n, "M"], [10n ** 3n, "K"]].find(([least]) => amount >= least * NANO);
        return sign + (unit ? `${decimals(amount / unit[0], 1)} ${unit[1]}` : decimals(amount, 0));
      }
      const smallest = 10n ** BigInt(9 - digits);
      if (amount > 0n && amount < smallest) return `${sign ? "> −" : "< "}${symbol}${decimals(smallest, digits)}`;
      return `${sign}${symbol}${decimals(amount, digits)}`;
    };
  }

  function percent(part, whole) {
    if (!whole) return "–";
    const value = (Number(part) * 100) / Math.abs(Number(whole));
    return `${value.toFixed(Math.abs(value) >= 9.95 ? 0 : 1)} %`.replace("-", "−");
  }

  function signed(write, change) {
    const text = write(change);
    return change > 0n && !text.startsWith("<") ? `+${text}` : text;
  }

  // ---- what a period says

  function figuresOf({ data }, index) {
    const at = (values) => (values.length ? nanos(values[index]) : 0n);
    const series = data.series.map((each, place) => ({ place, label: each.short ?? each.label, now: at(each.values), before: at(each.before) }));
    return {
      period: data.periods[index],
      total: at(data.totals),
      before: at(data.totalsBefore),
      isCompared: data.beforeAs !== "",
      series: series.filter(({ now, before }) => now || before).sort((a, b) => (b.now > a.now ? 1 : b.now < a.now ? -1 : a.place - b.place)),
    };
  }

  const heading = ({ data }, period) => (data.kind === "cumulative" ? `Through ${period.label}` : period.label);

  function contents(drawing, index) {
    const { swatches, data } = drawing;
    const write = writer(data);
    const { period, total, before, isCompared, series } = figuresOf(drawing, index);
    const head = element("p", heading(drawing, period));
    if (period.isIncomplete) head.append(element("span", " · not complete yet"));
    if (period.before) head.append(element("span", ` against ${period.before}`));
    const isGrouped = data.series.some((each) => each.url);
    const table = element("table", "", isCompared && isGrouped ? "wide" : "");
    const row = (className, ...cells) => {
      const line = element("tr", "", className);
      for (const cell of cells) line.append(cell instanceof Node ? cell : element("td", cell));
      table.append(line);
      return line;
    };
    if (isCompared) {
      const titles = element("tr");
      for (const title of ["", "Now", ...(isGrouped ? ["Share"] : []), "Before", "Change"]) titles.append(element("th", title));
      table.append(titles);
    }
    const figures = (now, was) => [write(now), percent(now, total), ...(isCompared ? [write(was), signed(write, now - was)] : [])];
    if (isGrouped) {
      const most = Math.max(3, Math.floor((innerHeight - 130) / 20));
      const cut = series.length > most ? most - 1 : series.length;
      for (const each of series.slice(0, cut)) {
        const name = element("td");
        const swatch = element("span", "", swatches[each.place].className);
        name.append(swatch, each.label);
        row("", name, ...figures(each.now, each.before));
      }
      const rest = series.slice(cut);
      if (rest.length) {
        const sum = (key) => rest.reduce((all, each) => all + each[key], 0n);
        row("rest", `${rest.length} smaller`, ...figures(sum("now"), sum("before")));
      }
    }
    const last = isGrouped ? [write(total), ""] : [write(total)];
    const change = total - before;
    if (isCompared) last.push(write(before), `${signed(write, change)}${before ? ` (${change > 0n ? "+" : ""}${percent(change, before)})` : ""}`);
    row("total", "Total", ...last);
    return [head, table];
  }

  function spoken(drawing, index) {
    const write = writer(drawing.data);
    const { period, total, before, isCompared, series } = figuresOf(drawing, index);
    const parts = [`${heading(drawing, period)}${period.isIncomplete ? ", not complete yet" : ""}: total ${write(total)}`];
    if (isCompared) parts.push(`before ${write(before)}, change ${signed(write, total - before)}`);
    if (drawing.data.series.some((each) => each.url)) parts.push(...series.slice(0, 5).map((each) => `${each.label} ${write(each.now)}, ${percent(each.now, total)}`));
    return parts.join("; ");
  }

  // ---- the box that says it

  const tip = element("div", "", "chart-tip");
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);
  // The drawing that is read just now.
  let shown = null;

  function show(drawing, index) {
    if (drawing === shown && drawing.active === index) return;
    hide();
    shown = drawing;
    mark(index);
    tip.replaceChildren(...contents(drawing, index));
    tip.hidden = false;
    const frame = drawing.canvas.getBoundingClientRect();
    const [from, to] = drawing.column(index).map((x) => x + frame.left);
    const { width, height } = tip.getBoundingClientRect();
    const view = document.documentElement;
    const right = to + 10 + width <= view.clientWidth - 8;
    const left = right ? to + 10 : from - 10 - width;
    const top = Math.min(frame.top + 8, view.clientHeight - height - 8);
    tip.style.left = `${Math.max(8, Math.min(left, view.clientWidth - width - 8))}px`;
    tip.style.top = `${Math.max(8, top)}px`;
  }

  function hide() {
    tip.hidden = true;
    if (shown) mark(null);
    shown = null;
  }

  function mark(index) {
    shown.active = index;
    shown.chart.draw();
  }

  // ---- pointer, touch and keyboard

  // The drawing of each canvas; a new one takes its place when colours or figures change.
  const drawings = new WeakMap();

  function indexAt({ chart, data }, x) {
    const { left, right } = chart.chartArea;
    if (x < left - 4 || x > right + 4 || !data.periods.length) return null;
    return Math.max(0, Math.min(data.periods.length - 1, chart.scales.x.getValueForPixel(x)));
  }

  // The series at a point: the bar, the area, or the nearest line.
  function seriesAt({ chart, data }, index, x, y) {
    const found = [];
    chart.data.datasets.forEach((dataset, number) => {
      const at = chart.getDatasetMeta(number).data[index];
      if (!at || dataset.isExtra) return;
      if (data.kind === "bars") {
        if (Math.abs(x - at.x) <= at.width / 2 && y >= Math.min(at.y, at.base) && y <= Math.max(at.y, at.base)) found.push([0, number]);
      } else if (data.kind === "lines") {
        if (Math.abs(at.y - y) < 20) found.push([Math.abs(at.y - y), number]);
      } else if (at.y <= y && y <= chart.scales.y.getPixelForValue(0)) found.push([-at.y, number]);
    });
    found.sort((a, b) => a[0] - b[0]);
    return found.length ? found[0][1] % data.series.length : null;
  }

  function listen(canvas) {
    const box = canvas.parentElement;
    box.tabIndex = 0;
    box.setAttribute("role", "application");
    box.setAttribute("aria-roledescription", "chart");
    box.setAttribute("aria-label", canvas.getAttribute("aria-label"));
    const hint = element("p", "Left and right arrow keys read the periods, Escape stops. The table holds the same figures.", "visually-hidden");
    hint.id = `${canvas.dataset.chart}-keys`;
    box.setAttribute("aria-describedby", hint.id);
    const voice = element("p", "", "visually-hidden");
    voice.setAttribute("role", "status");
    box.append(hint, voice);

    const place = (event) => {
      const frame = canvas.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    const drawing = () => drawings.get(canvas);
    let before = null;

    const point = (event) => {
      const [x, y] = place(event);
      const index = indexAt(drawing(), x);
      if (index === null) hide();
      else show(drawing(), index);
      const series = index === null ? null : seriesAt(drawing(), index, x, y);
      box.classList.toggle("on-series", series !== null && drawing().data.series[series].url !== "");
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", (event) => {
      before = drawing().active;
      if (event.pointerType !== "mouse") point(event);
    });
    canvas.addEventListener("pointerleave", (event) => {
      if (event.pointerType === "mouse") hide();
    });
    canvas.addEventListener("click", (event) => {
      const [x, y] = place(event);
      const index = indexAt(drawing(), x);
      // A finger's first touch reads the period, the next one goes on.
      if (index === null || (event.pointerType && event.pointerType !== "mouse" && before !== index)) return;
      const series = seriesAt(drawing(), index, x, y);
      if (series === null) return;
      const link = drawing().swatches[series].closest("a");
      if (link) {
        hide();
        link.click();
      }
    });
    box.addEventListener("keydown", (event) => {
      const last = drawing().data.periods.length - 1;
      const now = drawing().active;
      const next = {
        ArrowLeft: now === null ? last : Math.max(0, now - 1),
        ArrowRight: now === null ? 0 : Math.min(last, now + 1),
        Home: 0,
        End: last,
      }[event.key];
      if (event.key === "Escape" && now !== null) {
        hide();
        voice.textContent = "";
      } else if (next !== undefined && last >= 0 && !event.ctrlKey && !event.metaKey && !event.altKey) {
        show(drawing(), next);
        voice.textContent = spoken(drawing(), next);
      } else return;
      event.preventDefault();
    });
    box.addEventListener("blur", hide);
  }

  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".chart")) hide();
  });
  addEventListener("scroll", hide, { passive: true, capture: true });
  addEventListener("resize", hide);

  document.addEventListener("charts-drawn", ({ detail }) => {
    for (const drawing of detail) {
      const isNew = !drawings.has(drawing.canvas);
      drawings.set(drawing.canvas, drawing);
      if (isNew) listen(drawing.canvas);
    }
    if (detail.includes(shown)) return;
    tip.hidden = true;
    shown = null;
  });
})();
