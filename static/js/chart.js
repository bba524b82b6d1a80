// Draws each <canvas data-chart="id of its JSON"> as stacked bars, in the colours of the legend beside it.
(() => {
  const charts = new Map();
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  // Any CSS colour as [red, green, blue], so that it can be lightened.
  function channels(colour) {
    probe.clearRect(0, 0, 1, 1);
    probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1);
    return [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  }

  // A hue that two values share: the second one is striped, as its swatch is.
  function stripes(colour, alpha, tone) {
    const tile = document.createElement("canvas");
    tile.width = tile.height = 8;
    const pen = tile.getContext("2d");
    pen.globalAlpha = alpha;
    pen.fillStyle = paint(colour, 1);
    pen.fillRect(0, 0, 8, 8);
    pen.strokeStyle = tone === 1 ? "rgb(255 255 255 / 0.75)" : "rgb(0 0 0 / 0.5)";
    pen.lineWidth = 2;
    const [from, to] = tone === 1 ? [8, 0] : [0, 8];
    for (const shift of [-8, 0, 8]) {
      pen.beginPath();
      pen.moveTo(shift, from);
      pen.lineTo(shift + 8, to);
      pen.stroke();
    }
    return pen.createPattern(tile, "repeat");
  }

  const paint = ([red, green, blue], alpha) => `rgb(${red} ${green} ${blue} / ${alpha})`.replace(/ \/ 1\)$/, ")");
  const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function themed(element, variable) {
    const span = document.createElement("span");
    span.className = `ink-${variable}`;
    element.append(span);
    const colour = getComputedStyle(span).color;
    span.remove();
    return paint(channels(colour), 1);
  }

  function formats(data) {
    if (!data.currency) {
      return { full: new Intl.NumberFormat("en"), axis: new Intl.NumberFormat("en", { notation: "compact" }) };
    }
    const money = { style: "currency", currency: data.currency, currencyDisplay: "narrowSymbol" };
    return {
      full: new Intl.NumberFormat("en", money),
      axis: new Intl.NumberFormat("en", { ...money, notation: "compact", maximumSignificantDigits: 3 }),
    };
  }

  function draw(canvas) {
    const source = document.getElementById(canvas.dataset.chart);
    if (!source || typeof Chart === "undefined") return;
    const data = JSON.parse(source.textContent);
    const box = canvas.parentElement;
    const swatches = box.parentElement.querySelectorAll(".legend .swatch");
    const { full, axis } = formats(data);
    const ink = themed(box, "muted");
    const line = themed(box, "line");
    const smallest = data.currency ? 10 ** -full.resolvedOptions().maximumFractionDigits : 0;
    const text = (value) => {
      if (value !== 0 && Math.abs(value) < smallest) return `${value > 0 ? "< " : "> −"}${full.format(smallest)}`;
      return full.format(value);
    };
    const datasets = data.series.map((series, place) => {
      const colour = channels(getComputedStyle(swatches[place]).backgroundColor);
      const tone = ["tone1", "tone2"].findIndex((name) => swatches[place].classList.contains(name)) + 1;
      const fill = (alpha) => (tone ? stripes(colour, alpha, tone) : paint(colour, alpha));
      const alphas = data.periods.map((period) => (period.isIncomplete ? 0.45 : 1));
      return {
        label: series.label,
        data: series.values.map(Number),
        backgroundColor: alphas.map(fill),
        hoverBackgroundColor: alphas.map((alpha) => fill(alpha * 0.85)),
        maxBarThickness: 64,
        categoryPercentage: 0.92,
        barPercentage: 0.92,
        stack: "all",
      };
    });
    charts.get(canvas)?.destroy();
    const chart = new Chart(canvas, {
      type: "bar",
      data: { labels: data.periods.map((period) => period.label), datasets },
      options: {
        animation: false,
        maintainAspectRatio: false,
        interaction: { mode: "index", intersect: false },
        scales: {
          x: { stacked: true, grid: { display: false }, border: { color: line }, ticks: { color: ink, maxRotation: 0, autoSkipPadding: 16 } },
          y: { stacked: true, grid: { color: line }, border: { display: false }, ticks: { color: ink, maxTicksLimit: 6, callback: (value) => axis.format(value) } },
        },
        plugins: {
          legend: { display: false },
          tooltip: {
            itemSort: (a, b) => b.raw - a.raw,
            filter: (item) => item.raw !== 0,
            callbacks: {
              title: (items) => {
                const period = data.periods[items[0]?.dataIndex];
                return period ? `${period.label}${period.isIncomplete ? " (not complete)" : ""}` : "";
              },
              label: (item) => ` ${item.dataset.label}: ${text(item.raw)}`,
              footer: (items) => (items.length ? `Total: ${text(Number(data.totals[items[0].dataIndex]))}` : ""),
            },
          },
        },
        onClick: (event, _items, drawn) => {
          const [hit] = drawn.getElementsAtEventForMode(event, "nearest", { intersect: true }, false);
          const url = hit && data.series[hit.datasetIndex].url;
          if (url) location.assign(url);
        },
        font: { family: property("--sans") },
      },
    });
    charts.set(canvas, chart);
  }

  function drawAll() {
    for (const canvas of charts.keys()) {
      if (!canvas.isConnected) {
        charts.get(canvas).destroy();
        charts.delete(canvas);
      }
    }
    document.querySelectorAll("canvas[data-chart]").forEach(draw);
  }

  document.addEventListener("theme-changed", drawAll);
  document.addEventListener("htmx:afterSettle", drawAll);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", drawAll);
  else drawAll();
})();
