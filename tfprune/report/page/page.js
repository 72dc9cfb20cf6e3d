// Draws the charts of the page, and saves them. Everything it needs is in the page.
"use strict";
(function () {
  // charts, what they all look like, and the page's colours as they are on white
  const { charts, config: look, onWhite: PLAIN } =
    JSON.parse(document.getElementById("charts").textContent);
  for (const chart of Object.values(charts)) chart.rows = rowsOf(chart.columns);
  const views = new Map(); // figure -> {chart, view}
  const darkPaper = window.matchMedia("screen and (prefers-color-scheme: dark)");

  // colours are named, so that they follow the page's theme
  const config = {
    ...look, font: 'system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif',
  };

  function rowsOf(columns) {
    const names = Object.keys(columns);
    const lists = names.map((name) => {
      const column = columns[name];
      return Array.isArray(column) ? column : column.at.map((index) => column.names[index]);
    });
    return (lists[0] || []).map((_, row) =>
      Object.fromEntries(names.map((name, column) => [name, lists[column][row]])));
  }

  function withRows(chart) {
    return { ...chart.spec, datasets: { rows: chart.rows } };
  }

  function chartOf(figure) {
    const keys = JSON.parse(figure.dataset.charts);
    const chosen = figure.closest(".run").querySelector("select.measure");
    const wanted = chosen ? chosen.value : null;
    return charts[keys.find((key) => charts[key].measure === wanted) || keys[0]];
  }

  async function draw(figure) {
    const chart = chartOf(figure);
    const before = views.get(figure);
    const plot = figure.querySelector(".plot");
    try {
      const result = await vegaEmbed(plot, withRows(chart), {
        renderer: "svg", actions: false, config, tooltip: { disableDefaultStyle: true },
      });
      if (before) before.finalize();
      figure.querySelector("h4").textContent = chart.spec.description;
      views.set(figure, { chart, view: result.view, finalize: result.finalize });
      result.view.signal("dark", darkPaper.matches);
      setLevel(figure);
      await result.view.runAsync();
      figure.dataset.drawn = chart.key;
    } catch (error) {
      plot.className = "plot failed";
      plot.textContent = "This chart could not be drawn: " + error.message;
      console.error(error);
    }
  }

  function setLevel(figure) {
    const shown = views.get(figure);
    const slider = figure.querySelector(".slider input");
    if (!shown || !slider) return;
    const level = shown.chart.levels[Number(slider.value)];
    figure.querySelector("output").textContent = level;
    shown.view.signal("level", level);
  }

  function setPaper(dark) {
    for (const { view } of views.values()) view.signal("dark", dark).run();
  }

  // -- saving: always dark on white, whatever the page's theme, with the state that is shown

  function named(text) {
    return text.replace(/var\(--([a-z]+)\)/g, (_, name) => PLAIN[name]);
  }

  async function onWhite(figure) {
    const { chart, view } = views.get(figure);
    const spec = JSON.parse(named(JSON.stringify(withRows(chart))));
    const plain = JSON.parse(named(JSON.stringify({ ...config, background: "white" })));
    spec.width = Math.max(480, Math.round(view.width()));
    for (const param of spec.params) {
      if (param.name === "level") param.value = view.signal("level");
    }
    return vegaEmbed(document.createElement("div"), spec, {
      renderer: "svg", actions: false, config: plain,
    });
  }

  function cell(value) {
    if (value === null || value === undefined) return "";
    const text = String(value);
    return /[",\n\r]/.test(text) ? '"' + text.replace(/"/g, '""') + '"' : text;
  }

  function csv(rows) {
    const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))].filter((c) => c !== "place");
    const lines = rows.map((row) => columns.map((column) => cell(row[column])).join(","));
    return [columns.join(","), ...lines].join("\n") + "\n";
  }

  function download(blob, name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  async function save(figure, kind) {
    const { chart } = views.get(figure);
    const name = chart.key + "." + kind;
    if (kind === "csv") {
      download(new Blob([csv(chart.rows)], { type: "text/csv" }), name);
      return;
    }
    const copy = await onWhite(figure);
    if (kind === "svg") {
      download(new Blob([await copy.view.toSVG()], { type: "image/svg+xml" }), name);
    } else {
      const canvas = await copy.view.toCanvas(3);
      canvas.toBlob((blob) => download(blob, name), "image/png");
    }
    copy.finalize();
  }

  // -- what the reader does

  document.addEventListener("change", (event) => {
    if (!event.target.matches("select.measure")) return;
    const run = event.target.closest(".run");
    run.querySelectorAll("figure.chart").forEach((figure) => {
      if (views.get(figure)?.chart !== chartOf(figure)) draw(figure);
    });
  });

  document.addEventListener("input", (event) => {
    const figure = event.target.closest("figure");
    if (!figure || !event.target.matches(".slider input")) return;
    if (figure.classList.contains("chart")) {
      setLevel(figure);
      views.get(figure)?.view.runAsync();
      return;
    }
    figure.querySelectorAll(".level").forEach((level, index) => {
      level.hidden = index !== Number(event.target.value);
      if (!level.hidden) figure.querySelector("output").textContent = level.dataset.level;
    });
  });

  document.addEventListener("click", (event) => {
    const kind = event.target.dataset?.save;
    const figure = event.target.closest("figure");
    if (kind && views.has(figure)) save(figure, kind);
  });

  darkPaper.addEventListener("change", () => setPaper(darkPaper.matches));
  // paper is white and nothing on it can be unfolded
  const folded = document.querySelectorAll("details:not([open])");
  window.addEventListener("beforeprint", () => {
    setPaper(false);
    folded.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    setPaper(darkPaper.matches);
    folded.forEach((details) => { details.open = false; });
  });

  (async function () {
    for (const figure of document.querySelectorAll("figure.chart")) await draw(figure);
    document.documentElement.dataset.ready = "yes";
  })();
})();
