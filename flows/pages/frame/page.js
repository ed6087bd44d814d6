"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, inside = document) => Array.from(inside.querySelectorAll(selector));
  const status = document.getElementById("status");
  root.classList.add("scripted");

  // light and dark: the style does both, and the charts take their colours from the style
  const theme = document.querySelector("button.theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  dark.addEventListener("change", showTheme);
  showTheme();

  // tables: the first direction, the other one, the original order; rows without a value stay last
  const order = new Intl.Collator("en", { numeric: true });
  const valueOf = (cell, isNumber) => {
    const text = cell.dataset.value ?? (cell.querySelector(".none") ? "" : cell.textContent.trim());
    if (!isNumber) return text === "" ? null : text;
    const number = Number(text.replace("−", "-").replaceAll(",", "").replace("%", ""));
    return text === "" || Number.isNaN(number) ? null : number;
  };
  const compare = (a, b, sign) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" ? a - b : order.compare(a, b));
  };
  for (const table of all("table[data-sortable]")) {
    const body = table.tBodies[0];
    const rows = Array.from(body.rows);
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      const first = button.dataset.first;
      const second = first === "ascending" ? "descending" : "ascending";
      const next = { none: first, [first]: second, [second]: "none" };
      button.addEventListener("click", () => {
        const wanted = next[head.getAttribute("aria-sort") || "none"];
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        let sorted = rows;
        if (wanted !== "none") {
          head.setAttribute("aria-sort", wanted);
          const isNumber = head.classList.contains("number");
          const keyed = rows.map((row) => [valueOf(row.cells[column], isNumber), row]);
          keyed.sort((a, b) => compare(a[0], b[0], wanted === "ascending" ? 1 : -1));
          sorted = keyed.map((pair) => pair[1]);
        }
        body.append(...sorted);
        const name = button.textContent.trim();
        status.textContent = wanted === "none" ? "Original order" : `Sorted by ${name}, ${wanted}`;
      });
    });
  }

  // a choice shows one of its options; on paper, the style shows all
  for (const choice of all(".choice")) {
    const options = all(":scope > .option", choice);
    const show = (chosen) => options.forEach((option, i) => (option.hidden = i !== chosen));
    const control = choice.querySelector(":scope > fieldset, :scope > .select");
    control.addEventListener("change", (event) => {
      show(Number(event.target.value));
      markScrolling();
    });
    show(Number((control.querySelector("select") || control.querySelector("input:checked")).value));
  }

  // only what does scroll takes the focus
  const markScrolling = () => {
    for (const region of all(".scroll")) {
      const scrolls = region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1;
      if (scrolls) region.tabIndex = 0;
      else region.removeAttribute("tabindex");
      fade(region);
    }
  };
  // the right edge fades where more is to come
  const fade = (region) =>
    region.classList.toggle("more", region.scrollLeft + region.clientWidth < region.scrollWidth - 2);
  all(".scroll").forEach((region) => region.addEventListener("scroll", () => fade(region), { passive: true }));
  addEventListener("resize", markScrolling);
  all("details").forEach((details) => details.addEventListener("toggle", markScrolling));

  // a sentence about a cell, under the pointer or on the focus; Escape closes it
  const hint = document.getElementById("hint-text");
  const hide = () => (hint.hidden = true);
  const explain = (event) => {
    const button = event.target.closest?.("button.hint");
    if (!button) return hide();
    hint.textContent = button.dataset.hint;
    hint.hidden = false;
    const at = button.getBoundingClientRect();
    const below = at.bottom + 6 + hint.offsetHeight < innerHeight;
    hint.style.top = `${below ? at.bottom + 6 : at.top - 6 - hint.offsetHeight}px`;
    hint.style.left = `${Math.max(8, Math.min(at.left, innerWidth - hint.offsetWidth - 8))}px`;
  };
  ["focusin", "mouseover", "click"].forEach((type) => document.addEventListener(type, explain));
  document.addEventListener("focusout", hide);
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("scroll", hide, true);

  for (const button of all("button.copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        status.textContent = "Copied";
        button.classList.add("done");
        setTimeout(() => button.classList.remove("done"), 1500);
      } catch {
        getSelection().selectAllChildren(code); // the reader copies it
      }
    });
  }

  // the section in view, in the list of contents
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((one) => one.isIntersecting && links.has(one.target.id))) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(entry.target.id).setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-15% 0px -75% 0px" });
  all("main > section").forEach((section) => seen.observe(section));

  // on paper: open what is folded, apart from the data of charts, and fit wide tables to the sheet
  const opened = new Set();
  addEventListener("beforeprint", () => {
    root.classList.add("printing");
    for (const details of all("details:not(.data):not([open])")) opened.add(details).size && (details.open = true);
    for (const table of all("table")) {
      table.style.setProperty("--fitted", Math.max(0.4, Math.min(1, 690 / table.scrollWidth)).toFixed(3));
    }
  });
  addEventListener("afterprint", () => {
    root.classList.remove("printing");
    opened.forEach((details) => (details.open = false));
    opened.clear();
  });

  // charts; the style's variables make them light or dark at once, also on paper
  const ink = "var(--ink)", quiet = "var(--quiet)", line = "var(--line)";
  const config = {
    background: "transparent",
    font: getComputedStyle(document.body).fontFamily,
    padding: 4,
    view: { stroke: null },
    axis: {
      labelColor: quiet, titleColor: ink, titleFontWeight: 500, labelFontSize: 11, titleFontSize: 12, titlePadding: 8,
      gridColor: line, domainColor: "var(--axis)", tickColor: "var(--axis)", tickSize: 4, labelPadding: 4,
    },
    legend: {
      labelColor: ink, titleColor: ink, titleFontWeight: 500, labelFontSize: 12, titleFontSize: 12, labelLimit: 260,
      symbolStrokeWidth: 2,
    },
    header: { labelColor: ink, titleColor: ink, labelFontSize: 12, labelFontWeight: 500, titleFontSize: 12 },
    title: { color: ink, subtitleColor: quiet, fontSize: 13, fontWeight: 500, anchor: "start" },
    text: { color: ink, fontSize: 11 },
    rule: { color: quiet },
    style: {
      label: { fill: ink, fontSize: 11 },
      quiet: { fill: quiet, fontSize: 11 },
      reference: { color: quiet, stroke: quiet, strokeDash: [4, 3], strokeWidth: 1 },
    },
  };
  const options = {
    actions: false, renderer: "svg", ast: true, config, defaultStyle: false,
    tooltip: { theme: "page", disableDefaultStyle: true },
    loader: { load: () => Promise.reject(new Error("this page loads nothing")) },
  };
  addEventListener("DOMContentLoaded", async () => {
    for (const plot of all(".plot")) {
      const spec = JSON.parse(plot.parentElement.querySelector("script").textContent);
      try {
        await vegaEmbed(plot, spec, options);
        for (const svg of all("svg", plot)) {
          svg.setAttribute("aria-hidden", "true"); // the frame describes the chart, and has its numbers as a table
          svg.style.setProperty("--natural", `${svg.getAttribute("width")}px`);
        }
      } catch (error) {
        plot.textContent = "This chart could not be drawn.";
        console.error(error);
      }
      await new Promise((done) => setTimeout(done)); // the page stays responsive between charts
    }
    markScrolling();
    root.dataset.charts = "drawn";
  });
})();
