// Draws each <canvas data-chart="id of its JSON"> as bars, lines or running sums, in the looks of the legend beside it.
//
// Each time, `charts-drawn` says which charts there are now; chart_reading.js lets people read them.
(() => {
  const charts = new Map();
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

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

  function axisText(data) {
    const plain = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
    return (value) => `${value < 0 ? "−" : ""}${data.symbol}${plain.format(Math.abs(value))}`;
  }

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
    const drawing = { canvas, data, swatches, muted, surface, active: null };
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
  }

  // ---- when to draw

  function forget() {
    for (const [canvas, { chart }] of charts) {
      if (canvas.isConnected) continue;
      chart.destroy();
      charts.delete(canvas);
    }
  }

  const announce = () => document.dispatchEvent(new CustomEvent("charts-drawn", { detail: [...charts.values()] }));

  function drawNew() {
    forget();
    for (const canvas of document.querySelectorAll("canvas[data-chart]")) if (!charts.has(canvas)) draw(canvas);
    announce();
  }

  function drawAll() {
    forget();
    document.querySelectorAll("canvas[data-chart]").forEach(draw);
    announce();
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
  drawAll();
})();
