// Draws each <canvas data-chart="id of its JSON"> as bars, lines or running sums, in the looks of the legend beside it.
//
// A period's figures are told in a box over the whole height of the chart: by pointer, by touch, and by the arrow keys,
// then also to screen readers. A click on a series goes where its entry in the legend leads.
(() => {
  const charts = new Map();
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  // ---- exact figures, as the server writes them: everything is counted in billionths

  const NANO = 10n ** 9n;

  function nanos(text) {
    const [whole, fraction = ""] = text.replace("-", "").split(".");
    const size = BigInt(whole) * NANO + BigInt(fraction.padEnd(9, "0"));
    return text.startsWith("-") ? -size : size;
  }

  const size = (figure) => (figure < 0n ? -figure : figure);
  const halfUp = (figure, unit) => (figure + unit / 2n) / unit;

  function writer(data) {
    const { symbol, digits, measure } = data;
    const decimals = (figure, places) => {
      const scale = 10n ** BigInt(places);
      const rounded = halfUp(figure, NANO / scale);
      const fraction = places ? `.${String(rounded % scale).padStart(places, "0")}` : "";
      return (rounded / scale).toLocaleString("en") + fraction;
    };
    return (figure) => {
      const sign = figure < 0n ? "−" : "";
      const amount = size(figure);
      if (!data.currency) {
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

  function axisText(data) {
    const plain = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
    return (value) => `${value < 0 ? "−" : ""}${data.symbol}${plain.format(Math.abs(value))}`;
  }

  // ---- looks

  // Any CSS colour as [red, green, blue].
  function channels(colour) {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  }

  const paint = ([red, green, blue], alpha = 1) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;

  function ink(element, name) {
    const span = document.createElement("span");
    span.className = `ink-${name}`;
    element.append(span);
    const colour = channels(getComputedStyle(span).color);
    span.remove();
    return colour;
  }

  function lookOf(swatch) {
    const style = getComputedStyle(swatch);
    const mark = ["dots", "lines"].find((name) => swatch.classList.contains(name)) ?? "";
    return { colour: channels(style.backgroundColor), mark, markColour: style.getPropertyValue("--mark").trim() };
  }

  // What a series is filled with: its colour and mark; paler for what was before, hatched while not complete.
  function filler(look, surface) {
    const made = new Map();
    return ({ alpha = 1, isHatched = false }) => {
      if (!look.mark && !isHatched) return paint(look.colour, alpha);
      const key = `${alpha} ${isHatched}`;
      if (!made.has(key)) made.set(key, tile(look, alpha, isHatched && paint(surface)));
      return made.get(key);
    };
  }

  function tile({ colour, mark, markColour }, alpha, hatch) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 12;
    const pen = canvas.getContext("2d");
    pen.globalAlpha = alpha;
    pen.fillStyle = paint(colour);
    pen.fillRect(0, 0, 12, 12);
    pen.fillStyle = markColour;
    for (const x of [3, 9]) {
      if (mark === "lines") pen.fillRect(x - 1, 0, 2, 12);
      for (const y of mark === "dots" ? [3, 9] : []) {
        pen.beginPath();
        pen.arc(x, y, 1.6, 0, 2 * Math.PI);
        pen.fill();
      }
    }
    if (hatch) {
      pen.globalAlpha = 1;
      pen.strokeStyle = hatch;
      pen.lineWidth = 2.2;
      for (const shift of [-12, -6, 0, 6, 12]) {
        pen.beginPath();
        pen.moveTo(shift - 1, 13);
        pen.lineTo(shift + 13, -1);
        pen.stroke();
      }
    }
    return pen.createPattern(canvas, "repeat");
  }

  // ---- what is drawn

  const POINTS = { dots: "circle", lines: "rect" };

  function barDatasets(data, fills) {
    const bars = (values, fill, stack) => ({
      data: values.map(Number),
      backgroundColor: fill,
      hoverBackgroundColor: fill,
      stack,
      maxBarThickness: 56,
      categoryPercentage: data.beforeAs ? 0.86 : 0.92,
      barPercentage: data.beforeAs ? 0.96 : 0.92,
    });
    const now = data.series.map((series, place) =>
      bars(series.values, data.periods.map((period) => fills[place]({ isHatched: period.isIncomplete })), "now"),
    );
    if (!data.beforeAs) return now;
    return [...now, ...data.series.map((series, place) => bars(series.before, fills[place]({ alpha: 0.42 }), "before"))];
  }

  function lineDatasets(data, looks, fills, text) {
    const isArea = data.kind === "cumulative";
    const few = data.periods.length === 1;
    const isOpen = (context) => data.periods[context.p1DataIndex].isIncomplete;
    const line = (values, colour, more = {}) => ({
      data: values.map(Number),
      borderColor: colour,
      backgroundColor: colour,
      borderWidth: 2,
      pointRadius: few ? 4 : 0,
      pointHoverRadius: 0,
      tension: 0,
      fill: false,
      ...more,
    });
    const dashed = { borderDash: (context) => (isOpen(context) ? [5, 4] : undefined) };
    const now = data.series.map((series, place) => {
      const colour = paint(looks[place].colour);
      if (!isArea) {
        const mark = POINTS[looks[place].mark];
        return line(series.values, colour, { segment: dashed, ...(mark && { pointStyle: mark, pointRadius: 3 }) });
      }
      return line(series.values, colour, {
        stack: "now",
        borderWidth: 1,
        fill: place === 0 ? "origin" : "-1",
        backgroundColor: fills[place]({}),
        segment: { backgroundColor: (context) => (isOpen(context) ? fills[place]({ isHatched: true }) : undefined) },
      });
    });
    const extra = { isExtra: true, stack: undefined };
    const dotted = { ...extra, borderDash: [2, 4], borderWidth: 2, borderCapStyle: "round" };
    if (data.beforeAs === "series") {
      now.push(...data.series.map((series, place) => line(series.before, paint(looks[place].colour, 0.6), dotted)));
    } else if (data.beforeAs === "total") {
      if (data.series.length > 1) now.push(line(data.totals, text, { ...extra, borderWidth: 1.5, segment: isArea ? {} : dashed, stack: "total" }));
      now.push(line(data.totalsBefore, text, { ...dotted, stack: "before" }));
    }
    return now;
  }

  // The chosen period's column, and a thin line between neighbours in a stack, so that equal looks part.
  function decorations(drawing) {
    return {
      id: "decorations",
      beforeDatasetsDraw({ ctx, chartArea }) {
        if (drawing.active === null) return;
        const [from, to] = drawing.column(drawing.active);
        ctx.save();
        ctx.fillStyle = paint(drawing.muted, 0.13);
        ctx.fillRect(from, chartArea.top, to - from, chartArea.bottom - chartArea.top);
        ctx.restore();
      },
      afterDatasetsDraw(chart) {
        if (drawing.data.kind !== "bars") return;
        const { ctx } = chart;
        ctx.save();
        ctx.fillStyle = paint(drawing.surface);
        for (const meta of chart.getSortedVisibleDatasetMetas()) {
          for (const { x, y, base, width } of meta.data) {
            if (Math.abs(base - y) > 3) ctx.fillRect(x - width / 2 - 1, y < base ? y : y - 1, width + 2, 1);
          }
        }
        ctx.restore();
      },
    };
  }

  function draw(canvas) {
    const source = document.getElementById(canvas.dataset.chart);
    if (!source || typeof Chart === "undefined") return;
    const data = JSON.parse(source.textContent);
    const box = canvas.parentElement;
    const swatches = [...box.parentElement.querySelectorAll(".legend [data-series]")];
    const looks = swatches.map(lookOf);
    const [muted, line, text, surface] = ["muted", "line", "text", "surface"].map((name) => ink(box, name));
    const fills = looks.map((look) => filler(look, surface));
    const isBars = data.kind === "bars";
    const axis = axisText(data);
    charts.get(canvas)?.chart.destroy();
    const drawing = { data, box, swatches, muted, surface, active: null, write: writer(data) };
    const ticks = { color: paint(muted), font: { family: getComputedStyle(box).fontFamily, size: 11.5 } };
    drawing.column = (index) => {
      const { x } = drawing.chart.scales;
      const { left, right } = drawing.chart.chartArea;
      const step = data.periods.length > 1 ? Math.abs(x.getPixelForValue(1) - x.getPixelForValue(0)) : right - left;
      const middle = x.getPixelForValue(index);
      return [Math.max(left, middle - step / 2), Math.min(right, middle + step / 2)];
    };
    drawing.chart = new Chart(canvas, {
      type: isBars ? "bar" : "line",
      data: {
        labels: data.periods.map((period) => period.label),
        datasets: isBars ? barDatasets(data, fills) : lineDatasets(data, looks, fills, paint(text)),
      },
      options: {
        animation: false,
        maintainAspectRatio: false,
        events: [],
        layout: { padding: { top: 6, right: isBars ? 0 : 8 } },
        scales: {
          x: { stacked: isBars, grid: { display: false }, border: { color: paint(line) }, ticks: { ...ticks, maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked: data.kind !== "lines", beginAtZero: true, grid: { color: paint(line) }, border: { display: false }, ticks: { ...ticks, maxTicksLimit: 6, callback: axis } },
        },
        plugins: { legend: { display: false }, tooltip: { enabled: false } },
      },
      plugins: [decorations(drawing)],
    });
    charts.set(canvas, drawing);
    if (!box.dataset.listens) listen(canvas, box);
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

  const element = (name, text = "", className = "") => Object.assign(document.createElement(name), { textContent: text, className });

  function signed(write, change) {
    const text = write(change);
    return change > 0n && !text.startsWith("<") ? `+${text}` : text;
  }

  const heading = ({ data }, period) => (data.kind === "cumulative" ? `Through ${period.label}` : period.label);

  function contents(drawing, index) {
    const { write, swatches, data } = drawing;
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
    const { write } = drawing;
    const { period, total, before, isCompared, series } = figuresOf(drawing, index);
    const parts = [`${heading(drawing, period)}${period.isIncomplete ? ", not complete yet" : ""}: total ${write(total)}`];
    if (isCompared) parts.push(`before ${write(before)}, change ${signed(write, total - before)}`);
    if (drawing.data.series.some((each) => each.url)) parts.push(...series.slice(0, 5).map((each) => `${each.label} ${write(each.now)}, ${percent(each.now, total)}`));
    return parts.join("; ");
  }

  const tip = element("div", "", "chart-tip");
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);

  function show(canvas, index) {
    const drawing = charts.get(canvas);
    if (drawing.active === index && !tip.hidden) return;
    hide();
    drawing.active = index;
    drawing.chart.draw();
    tip.replaceChildren(...contents(drawing, index));
    tip.hidden = false;
    const frame = canvas.getBoundingClientRect();
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
    for (const drawing of charts.values()) {
      if (drawing.active === null) continue;
      drawing.active = null;
      if (drawing.chart.ctx) drawing.chart.draw();
    }
  }

  // ---- pointer, touch and keyboard

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

  function listen(canvas, box) {
    box.dataset.listens = "";
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
    const drawing = () => charts.get(canvas);
    let before = null;

    const point = (event) => {
      const [x, y] = place(event);
      const index = indexAt(drawing(), x);
      if (index === null) hide();
      else show(canvas, index);
      const series = index === null ? null : seriesAt(drawing(), index, x, y);
      box.classList.toggle("on-series", series !== null && drawing().data.series[series].url !== "");
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", (event) => {
      before = tip.hidden ? null : drawing().active;
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
        show(canvas, next);
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

  // ---- when to draw

  function forget() {
    for (const [canvas, { chart }] of charts) {
      if (canvas.isConnected) continue;
      chart.destroy();
      charts.delete(canvas);
      tip.hidden = true;
    }
  }

  function drawNew() {
    forget();
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) if (!charts.has(canvas)) draw(canvas);
  }

  function drawAll() {
    forget();
    tip.hidden = true;
    document.querySelectorAll("canvas[data-chart]").forEach(draw);
  }

  // On paper: light colours, as wide as the sheet.
  let theme;
  addEventListener("beforeprint", () => {
    theme = document.documentElement.dataset.theme;
    document.documentElement.dataset.theme = "light";
    drawAll();
    for (const { chart } of charts.values()) chart.resize(680, 280);
  });
  addEventListener("afterprint", () => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    drawAll();
  });

  document.addEventListener("theme-changed", drawAll);
  document.addEventListener("htmx:afterSwap", drawNew);
  document.addEventListener("htmx:afterSettle", drawNew);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", drawAll);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", drawAll);
  else drawAll();
})();
