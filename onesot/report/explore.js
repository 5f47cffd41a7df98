"use strict";
// What a reader does with the plot of a report: look at a child, filter by budget, lay other runs over it, copy commands.
// The data is in #run-data (explore.go); nothing is loaded from anywhere.
(() => {
  const run = JSON.parse(document.getElementById("run-data").textContent);
  const $ = id => document.getElementById(id);
  const svg = $("plot"), svgNS = "http://www.w3.org/2000/svg";
  const box = { left: 62, right: 1070, top: 16, bottom: 392 };
  const series = [run]; // the run itself, then the runs that the reader opened
  let pinned = null;

  const text = (tag, content, cls) => {
    const e = document.createElement(tag);
    e.textContent = content;
    if (cls) e.className = cls;
    return e;
  };
  const draw = (tag, attributes, content) => {
    const e = document.createElementNS(svgNS, tag);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    if (content !== undefined) e.textContent = content;
    svg.append(e);
    return e;
  };

  // A front.json as another search of the program wrote it.
  const readFront = (name, front) => {
    if (!Array.isArray(front.points) || !front.cost) throw new Error("it has no points or no cost");
    const psnr = front.metric === "psnr";
    if (psnr !== (run.metric === "psnr")) throw new Error("its quality is not measured as that of this run");
    const points = front.points.map((p, i) => {
      const bits = Object.values(p.assignment);
      const point = { n: i, eta: p.eta, relative_bops: p.relative_bops, size: p.size_bytes, cost: p.cost / front.cost.max,
        val: psnr ? p.psnr_val : 100 * p.accuracy_val, test: psnr ? p.psnr_test : 100 * p.accuracy_test, front: p.on_front,
        w: bits.map(b => b.weight), a: bits.map(b => b.input) };
      for (const v of [point.relative_bops, point.size, point.cost, point.val, point.test])
        if (!Number.isFinite(v)) throw new Error("point " + i + " lacks a number");
      return point;
    });
    const first = front.points[0];
    return { name, dir: "", points, layers: first ? Object.keys(first.assignment) : [], other: true };
  };

  const cost = p => p[$("cost").value], quality = p => p[$("split").value];
  const limit = id => { const v = parseFloat($(id).value); return Number.isFinite(v) ? v : null; };
  const fits = p => {
    const most = limit("budget"), least = limit("quality");
    return (most === null || cost(p) <= most) && (least === null || quality(p) >= least);
  };

  // Round values between lo and hi, about n of them; on a logarithmic axis 1, 2 and 5 of each decade.
  const ticks = (lo, hi, n, log) => {
    const out = [];
    if (log && hi / lo > 3) {
      for (let e = Math.floor(Math.log10(lo)); e <= Math.log10(hi); e++)
        for (const m of [1, 2, 5]) {
          const v = m * 10 ** e;
          if (v >= lo && v <= hi) out.push(v);
        }
      return out;
    }
    let step = 10 ** Math.floor(Math.log10((hi - lo) / n));
    for (const m of [5, 2]) if (m * step <= (hi - lo) / n * 1.2) { step *= m; break; }
    for (let i = Math.ceil(lo / step); i * step <= hi + 1e-9; i++) out.push(i * step);
    return out;
  };
  const short = v => String(+v.toPrecision(4));

  let scale;
  const plot = () => {
    svg.replaceChildren();
    const all = series.flatMap(s => s.points).concat((run.baselines || []).flatMap(b => b.points));
    const xs = all.map(cost), ys = all.map(quality);
    if (run.fp32) ys.push(run.fp32[$("split").value]);
    const log = Math.min(...xs) > 0;
    let [x0, x1] = [Math.min(...xs), Math.max(...xs)], [y0, y1] = [Math.min(...ys), Math.max(...ys)];
    if (log) { x0 /= 1.12; x1 *= 1.12; } else { const r = (x1 - x0) * 0.05 || 1; x0 -= r; x1 += r; }
    const room = (y1 - y0) * 0.05 || 0.5;
    y0 -= room; y1 += room;
    const f = log ? Math.log : v => v;
    scale = {
      x: v => box.left + (f(v) - f(x0)) / (f(x1) - f(x0)) * (box.right - box.left),
      y: v => box.bottom - (v - y0) / (y1 - y0) * (box.bottom - box.top),
    };
    for (const v of ticks(x0, x1, 8, log)) {
      draw("line", { x1: scale.x(v), x2: scale.x(v), y1: box.top, y2: box.bottom, class: "grid" });
      draw("text", { x: scale.x(v), y: box.bottom + 18, "text-anchor": "middle" }, short(v));
    }
    for (const v of ticks(y0, y1, 6, false)) {
      draw("line", { x1: box.left, x2: box.right, y1: scale.y(v), y2: scale.y(v), class: "grid" });
      draw("text", { x: box.left - 8, y: scale.y(v) + 4, "text-anchor": "end" }, short(v));
    }
    draw("text", { x: (box.left + box.right) / 2, y: box.bottom + 40, "text-anchor": "middle" }, $("cost").selectedOptions[0].textContent);
    draw("text", { x: 14, y: (box.top + box.bottom) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(box.top + box.bottom) / 2})` }, run.quality);
    if (run.fp32) {
      const y = scale.y(run.fp32[$("split").value]);
      draw("line", { x1: box.left, x2: box.right, y1: y, y2: y, class: "fp32" });
      draw("text", { x: box.right, y: y - 5, "text-anchor": "end" }, "fp32");
    }
    budgetLine("budget", v => v > x0 && v < x1 && { x1: scale.x(v), x2: scale.x(v), y1: box.top, y2: box.bottom });
    budgetLine("quality", v => v > y0 && v < y1 && { x1: box.left, x2: box.right, y1: scale.y(v), y2: scale.y(v) });
    (run.baselines || []).forEach((b, i) => dots(b, "base", i + 1));
    series.forEach((s, i) => {
      const on = s.points.filter(p => p.front).sort((p, q) => cost(p) - cost(q));
      draw("polyline", { points: on.map(p => scale.x(cost(p)) + "," + scale.y(quality(p))).join(" "), class: "front", stroke: colour(i) });
      dots(s, "child", i);
    });
    legend();
    best();
    if (pinned) show(...pinned);
  };

  const budgetLine = (id, place) => {
    const v = limit(id), at = v !== null && place(v);
    if (at) draw("line", { ...at, class: "budget" });
  };

  const colour = i => run.colours[i % run.colours.length];

  const dots = (s, cls, i) => {
    for (const p of s.points) {
      const fill = cls === "base" ? "none" : p.front ? colour(i) : "#bbb";
      const dot = draw("circle", { cx: scale.x(cost(p)), cy: scale.y(quality(p)), r: 5, fill, stroke: colour(i), class: cls + (fits(p) ? "" : " outside"),
        tabindex: 0, role: "button", "aria-label": label(s, p), "data-n": p.n, "data-series": s.name });
      const look = () => show(s, p);
      dot.addEventListener("mouseenter", look);
      dot.addEventListener("focus", look);
      dot.addEventListener("mouseleave", () => pinned && show(...pinned));
      dot.addEventListener("click", () => { pinned = [s, p]; show(s, p); });
      dot.addEventListener("keydown", e => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); pinned = [s, p]; show(s, p); } });
    }
  };

  const label = (s, p) => `${s.name}, child ${p.n}: relative BOPs ${short(p.relative_bops)}, validation ${short(p.val)}, test ${short(p.test)}`;

  const legend = () => {
    const list = $("legend");
    list.replaceChildren();
    series.forEach((s, i) => entry(list, s.name, colour(i), s.other && (() => { series.splice(i, 1); pinned = null; $("detail").hidden = true; plot(); })));
    (run.baselines || []).forEach((b, i) => entry(list, b.name, colour(i + 1)));
  };
  const entry = (list, name, fill, remove) => {
    const item = text("li", name);
    item.style.setProperty("--fill", fill);
    if (remove) {
      const b = text("button", "\u00d7");
      b.title = "take " + name + " out of the plot";
      b.addEventListener("click", remove);
      item.append(b);
    }
    list.append(item);
  };

  // The child of this run that the limits leave and that has the highest validation quality: what pick would take.
  const best = () => {
    const rows = [...document.querySelectorAll("tr[data-n]")];
    for (const row of rows) row.hidden = !fits(run.points[row.dataset.n]);
    const left = run.points.filter(fits);
    const out = $("best");
    out.replaceChildren();
    if (limit("budget") === null && limit("quality") === null) return;
    if (left.length === 0) {
      const least = Math.min(...run.points.map(cost));
      out.textContent = `No child of this run is within these limits; the cheapest is at ${short(least)}.`;
      return;
    }
    const p = left.reduce((a, b) => b.val > a.val || b.val === a.val && cost(b) < cost(a) ? b : a);
    const b = text("button", "child " + p.n);
    b.addEventListener("click", () => { pinned = [run, p]; show(run, p); });
    out.append(`${left.length} of ${run.points.length} children are within these limits; the best on the validation split is `, b, ".");
  };

  const show = (s, p) => {
    const panel = $("detail");
    panel.hidden = false;
    panel.dataset.n = p.n;
    $("what").textContent = label(s, p) + `, ${p.size} bytes` + (p.label ? `, ${p.label}` : "") + (p.eta ? `, found at eta ${short(p.eta)}` : "");
    const bits = $("bits");
    bits.replaceChildren();
    const head = text("tr", "");
    head.append(text("th", ""), ...s.layers.map(l => text("th", l)));
    bits.append(head);
    for (const [name, row] of [["weights", p.w], ["inputs", p.a]]) {
      const tr = text("tr", "");
      tr.append(text("th", name), ...row.map(b => text("td", b, "b" + b)));
      bits.append(tr);
    }
    for (const dot of svg.querySelectorAll("circle")) dot.classList.toggle("shown", dot.dataset.n == p.n && dot.dataset.series === s.name);
    const commands = $("commands");
    commands.replaceChildren();
    if (s.points.includes(p) && s !== run && !s.other) return; // a child of a comparison has no number
    const dir = s === run ? run.dir : "DIR";
    for (const line of [`vimps-gpu finetune --run ${dir} --point ${p.n} --out ${dir}-${p.n}`, `vimps-gpu export --run ${dir}-${p.n} --out child-${p.n}.onnx`]) {
      const row = text("p", ""), copy = text("button", "copy");
      copy.addEventListener("click", async () => {
        try { await navigator.clipboard.writeText(line); copy.textContent = "copied"; }
        catch { getSelection().selectAllChildren(row.firstChild); copy.textContent = "selected: press Ctrl-C"; }
      });
      row.append(text("code", line), " ", copy);
      commands.append(row);
    }
  };

  for (const id of ["cost", "split", "budget", "quality"]) $(id).addEventListener("input", plot);
  $("compare").addEventListener("change", async e => {
    $("problem").textContent = "";
    for (const file of e.target.files) {
      try {
        series.push(readFront(file.webkitRelativePath || file.name + " " + series.length, JSON.parse(await file.text())));
      } catch (err) {
        $("problem").textContent = `${file.name} is no front.json of a run: ${err.message}`;
      }
    }
    e.target.value = "";
    plot();
  });
  plot();
  $("explore").hidden = false;
})();
