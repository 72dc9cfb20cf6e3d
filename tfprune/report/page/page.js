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
      figure.querySelector(".title").textContent = chart.spec.description;
      views.set(figure, { chart, view: result.view, finalize: result.finalize });
      result.view.signal("dark", darkPaper.matches);
      setLevel(figure);
      await result.view.resize().runAsync(); // legends wrap once the width is known
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
    figure.querySelector("output").textContent = shown.chart.names[Number(slider.value)];
    shown.view.signal("level", level);
  }

  function setPaper(dark) {
    for (const { view } of views.values()) view.signal("dark", dark).run();
  }

  // -- saving: always dark on white, whatever the page's theme, with the state that is shown

  function named(text) {
    return text.replace(/var\(--([a-z]+)\)/g, (_, name) => PLAIN[name]);
  }

  // a picture on its own has neither the page's heading nor its slider
  function title(figure, chart, width) {
    const slider = figure.querySelector(".slider input");
    const level = slider ? ", level " + chart.names[Number(slider.value)] : "";
    const lines = [""];
    for (const word of (chart.spec.description + level).split(" ")) {
      const longer = (lines.at(-1) + " " + word).trim();
      if (lines.at(-1) && longer.length > width / 7.5) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines;
  }

  async function onWhite(figure) {
    const { chart, view } = views.get(figure);
    const spec = JSON.parse(named(JSON.stringify(withRows(chart))));
    const plain = JSON.parse(named(JSON.stringify({ ...config, background: "white" })));
    spec.width = Math.max(480, Math.round(view.width()));
    spec.title = { text: title(figure, chart, spec.width), anchor: "start", fontSize: 13, offset: 12 };
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

  // -- by keyboard: arrows go from value to value, Enter highlights its level, Escape shows all

  const MARKS = ".mark-symbol.role-mark path, .mark-rect.role-mark path";

  function valuesOf(plot) {
    return [...plot.querySelectorAll(MARKS)].filter((mark) => mark.__data__?.tooltip);
  }

  function middle(mark) {
    const box = mark.getBoundingClientRect();
    return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  }

  // the nearest value above or below in the same column
  function beside(marks, at, up) {
    const here = middle(marks[at]);
    const far = (mark) => (middle(mark).y - here.y) * (up ? -1 : 1);
    const column = marks.filter((mark) => Math.abs(middle(mark).x - here.x) < 4 && far(mark) > 0.5);
    column.sort((a, b) => far(a) - far(b));
    return column.length ? marks.indexOf(column[0]) : at;
  }

  function show(plot, mark) {
    let ring = plot.querySelector(".ring");
    if (!ring) {
      ring = document.createElement("div");
      ring.className = "ring";
      plot.append(ring);
    }
    const box = mark.getBoundingClientRect();
    const around = plot.getBoundingClientRect();
    Object.assign(ring.style, {
      left: box.x - around.x - 4 + "px", top: box.y - around.y - 4 + "px",
      width: box.width + 4 + "px", height: box.height + 4 + "px",
    });
    const said = Object.entries(mark.__data__.tooltip).map(([name, value]) => name + " " + value);
    plot.parentElement.querySelector(".reading").textContent = said.join(", ");
  }

  function leave(plot) {
    plot.querySelector(".ring")?.remove();
    plot.parentElement.querySelector(".reading").textContent = "";
    delete plot.dataset.at;
  }

  function press(element, kind) {
    element.dispatchEvent(new MouseEvent(kind, { bubbles: true }));
  }

  function highlight(plot, mark) {
    const { level } = mark.__data__.datum;
    const entries = [...plot.querySelectorAll(".role-legend-symbol path")];
    press(entries.find((entry) => entry.__data__.datum?.value === level) || mark, "click");
  }

  document.addEventListener("keydown", (event) => {
    const plot = event.target;
    if (!plot.matches(".chart .plot") || event.ctrlKey || event.metaKey || event.altKey) return;
    const marks = valuesOf(plot);
    if (!marks.length) return;
    const at = plot.dataset.at === undefined ? null : Number(plot.dataset.at);
    const last = marks.length - 1;
    const next = {
      ArrowRight: () => (at === null ? 0 : Math.min(at + 1, last)),
      ArrowLeft: () => (at === null ? last : Math.max(at - 1, 0)),
      ArrowUp: () => (at === null ? 0 : beside(marks, at, true)),
      ArrowDown: () => (at === null ? 0 : beside(marks, at, false)),
      Home: () => 0,
      End: () => last,
    }[event.key];
    if (next) {
      plot.dataset.at = next();
      show(plot, marks[plot.dataset.at]);
    } else if (event.key === "Enter" && at !== null) {
      highlight(plot, marks[at]);
    } else if (event.key === "Escape") {
      for (const kind of ["click", "dblclick"]) press(plot.querySelector("svg"), kind);
      leave(plot);
    } else {
      return;
    }
    event.preventDefault();
  });

  document.addEventListener("focusout", (event) => {
    if (event.target.matches(".chart .plot")) leave(event.target);
  });

  // -- contents: where the reader is; folded where they would push the page down

  const contents = document.querySelector(".contents");
  const wide = window.matchMedia("(min-width: 62rem)");
  contents.querySelector("details").open = wide.matches;
  const links = new Map([...contents.querySelectorAll("a")].map(
    (link) => [document.getElementById(link.hash.slice(1)), link]));

  function markWhere() {
    const passed = [...links.keys()].filter((target) => target.getBoundingClientRect().top < 120);
    for (const [target, link] of links) {
      if (target === passed.at(-1)) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }
  document.addEventListener("scroll", markWhere, { passive: true });

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
      if (!level.hidden) figure.querySelector("output").textContent = level.dataset.name;
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
