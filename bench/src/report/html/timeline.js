'use strict';
// Draws timelines. Everything from a run is set as text, never as markup.
const data = JSON.parse(document.getElementById('data').textContent);
const $ = (id) => document.getElementById(id);
const html = (tag, cls, text) => {
  const e = document.createElement(tag);
  if (cls) e.className = cls;
  if (text !== undefined) e.textContent = text;
  return e;
};
const svg = (tag, attrs, text) => {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  if (text !== undefined) e.textContent = text;
  return e;
};
const ms = (s) => s < 1 ? `${(s * 1e3).toFixed(s < 0.01 ? 2 : 1)} ms` : `${s.toFixed(2)} s`;

const button = (parent, text, act, pressed) => {
  const e = html('button', '', text);
  e.type = 'button';
  if (pressed !== undefined) e.setAttribute('aria-pressed', pressed);
  e.addEventListener('click', () => act(e));
  parent.appendChild(e);
  return e;
};

function highlight(mark) {
  for (const e of document.querySelectorAll('.hot[data-mark]')) e.classList.remove('hot');
  if (mark === undefined) return;
  for (const e of document.querySelectorAll(`[data-mark="${mark}"]`)) e.classList.add('hot');
}

const measure = document.createElement('canvas').getContext('2d');
const textWidth = (text) => { measure.font = '12px system-ui, sans-serif'; return measure.measureText(text).width; };
const clip = (text, width) => {
  if (textWidth(text) <= width) return text;
  let n = text.length;
  while (n > 1 && textWidth(text.slice(0, n) + '…') > width) n -= 1;
  return n > 1 ? text.slice(0, n) + '…' : '';
};

// The part of a run that is of interest, seconds: from the first milestone on.
const handOver = (data) => {
  const margin = (data.end - data.from) * 0.02 || 0.01;
  return [Math.max(0, data.from - margin), data.end + margin];
};

// Draws one run into `figure`, with its buttons in `tools`; `detail` says what is pointed at.
function timeline(data, figure, tools, detail) {
  // ---- time and place -------------------------------------------------------------------------
  // Steps of the hand-over come microseconds or half a second apart. "Spread" gives each milestone
  // its room, between two of them time is even; "true time" is even all over.
  const full = [0, Math.max(data.end, 1e-6)];
  const home = handOver(data);
  let view = home.slice();
  let spread = data.marks.length > 2;

  function scale(x0, x1) {
    const [a, b] = view;
    const even = (t) => (t - a) / (b - a);
    if (!spread) return (t) => x0 + (x1 - x0) * even(t);
    const knots = [[a, 0]];
    let n = 0;
    for (const m of data.marks) {
      if (m.t <= a || m.t >= b) continue;
      n += 1;
      if (m.t > knots[knots.length - 1][0]) knots.push([m.t, n]);
      else knots[knots.length - 1][1] = n;
    }
    knots.push([b, n + 1]);
    return (t) => {
      if (t <= a || t >= b) return x0 + (x1 - x0) * even(t);
      let lo = 0, hi = knots.length - 1;
      while (hi - lo > 1) { const mid = (lo + hi) >> 1; if (knots[mid][0] <= t) lo = mid; else hi = mid; }
      const [t0, r0] = knots[lo], [t1, r1] = knots[hi];
      const rank = (r0 + (r1 - r0) * (t - t0) / (t1 - t0 || 1)) / (n + 1);
      return x0 + (x1 - x0) * (0.85 * rank + 0.15 * even(t));
    };
  }

  const accesses = data.accesses.map(([lane, steps]) => {
    let t = 0;
    return [lane, steps.map((step) => (t += step) / 1e6)];
  });

  // ---- the picture ----------------------------------------------------------------------------
  const NAMES = innerWidth < 600 ? 72 : 92, ROW = 15, MOST_ROWS = 20, BAR = 15, FOOT = 26, BOOT = 54;
  function explain(node, text, mark) {
    node.appendChild(svg('title', {}, text));
    const show = () => { detail.textContent = text; highlight(mark); };
    node.addEventListener('pointerenter', show);
    node.addEventListener('focus', show);
    node.addEventListener('click', show);
  }

  function draw() {
    const width = Math.max(figure.clientWidth - 2, 720);
    const collapsed = view[0] > 0.05;
    const x0 = NAMES + (collapsed ? BOOT : 8);
    // The last labels have their room to the right, up to a third of the picture.
    let x1 = width - 12;
    const part = scale(0, 1);
    for (const [i, m] of data.marks.entries()) {
      if (m.t < view[0] || m.t > view[1] || part(m.t) <= 0) continue;
      x1 = Math.min(x1, x0 + (width - 9 - textWidth(`${i + 1} ${m.text}`) - x0) / part(m.t));
    }
    x1 = Math.max(x1, x0 + (width - x0) * 0.66);
    const x = scale(x0, x1);
    const seen = (from, to) => to >= view[0] && from <= view[1];
    const root = svg('svg', { width, role: 'img', 'aria-label': 'Timeline of the run by lanes' });
    const grid = svg('g', {});
    root.appendChild(grid);
    let y = 4;
    const lanes = data.lanes.map((name, lane) => {
      const faults = data.ticks.filter((t) => t.class.includes('fault'))
        .map((t) => ({ ...t, bad: true, x: x(t.t) }));
      const marks = data.marks.map((m, i) => ({ ...m, i, x: x(m.t) })).concat(faults)
        .filter((m) => m.lane === lane && seen(m.t, m.t)).sort((a, b) => a.x - b.x);
      // A label stands to the right of its stem, in the first row below all labels that the stem
      // would cross; where there is no such row, there is only the dot with its number.
      const ends = [];
      for (const m of marks) {
        m.label = clip(m.i === undefined ? `▲ ${m.text}` : `${m.i + 1} ${m.text}`, width - 6 - m.x);
        m.row = ends.findLastIndex((end) => end > m.x - 3) + 1;
        if (m.row >= MOST_ROWS) { m.label = ''; m.row = 0; continue; }
        ends[m.row] = m.x + textWidth(m.label) + 12;
      }
      const bars = data.spans.filter((s) => s.lane === lane && seen(s.from, s.to));
      const rows = Math.max(0, ...bars.map((s) => s.row + 1));
      const density = accesses.find(([l]) => l === lane);
      const top = y;
      const labels = ends.length * ROW + (ends.length ? 6 : 0);
      const height = Math.max(34, labels + 12 + rows * BAR + (density ? 26 : 0) + 6);
      y += height + 4;
      return { index: lane, name, marks, bars, density, top, height, labels };
    });

    for (const lane of lanes) {
      const g = svg('g', {});
      g.appendChild(svg('rect', { class: 'lane', x: 0, y: lane.top, width, height: lane.height }));
      root.appendChild(g);
      const line = lane.top + lane.labels + 6;
      if (lane.density) {
        const base = lane.top + lane.height - 4, tall = 22, bins = new Map();
        for (const t of lane.density[1]) {
          if (!seen(t, t)) continue;
          const bin = Math.round(x(t) / 3);
          bins.set(bin, (bins.get(bin) || 0) + 1);
        }
        const most = Math.max(1, ...bins.values());
        let d = '';
        for (const [bin, n] of bins) d += `M${bin * 3} ${base}v${-(2 + (tall - 2) * Math.sqrt(n / most))}h2.5V${base}z`;
        const path = svg('path', { class: 'density', d });
        explain(path, 'register accesses of the driver; the list of events has each burst');
        g.appendChild(path);
      }
      for (const t of data.ticks) {
        if (t.lane !== lane.index || t.class.includes('fault') || !seen(t.t, t.t)) continue;
        const node = svg('rect', { class: t.class, x: x(t.t), y: line - 4, height: 8 });
        explain(node, `${t.t.toFixed(6)} s: ${t.text}`);
        g.appendChild(node);
      }
      for (const s of lane.bars) {
        const a = Math.max(x0, x(s.from)), b = Math.min(x1, x(s.to));
        const top = line + 7 + s.row * BAR;
        const w = Math.max(2, b - a);
        const bar = svg('rect', { class: s.class, x: a, y: top, width: w, height: BAR - 3, tabindex: 0 });
        explain(bar, `${s.name}: ${s.from.toFixed(4)} to ${s.to.toFixed(4)} s, ${ms(s.to - s.from)}; ${s.note}`);
        g.appendChild(bar);
        // A name may go on over what is free to the right.
        const next = Math.min(width - 6, ...lane.bars.filter((o) => o.row === s.row && o.from > s.from).map((o) => x(o.from)));
        const name = clip(s.name, Math.max(w, next - a) - 6);
        if (name.length > 3) g.appendChild(svg('text', { class: 'bar-name', x: a + 3, y: top + 9.5 }, name));
      }
      lane.marks.forEach((m) => {
        const node = svg('g', { tabindex: 0 });
        if (m.i !== undefined) node.setAttribute('data-mark', m.i);
        const ty = lane.top + 15 + m.row * ROW;
        if (m.label) {
          node.appendChild(svg('line', { class: 'leader', x1: m.x, x2: m.x, y1: ty - 8, y2: line }));
          node.appendChild(svg('text', {
            class: m.bad ? 'label bad' : 'label', y: ty, x: m.x + 3,
          }, m.label));
        }
        node.appendChild(m.i === undefined
          ? svg('path', { class: 'dot bad', d: `M${m.x} ${line - 7}l6 11h-12z` })
          : svg('circle', { class: m.bad ? 'dot bad' : 'dot', cx: m.x, cy: line, r: 4 }));
        node.appendChild(svg('circle', { class: 'hit', cx: m.x, cy: line }));
        explain(node, `${m.i === undefined ? '▲' : m.i + 1}  ${m.t.toFixed(6)} s: ${m.text}`, m.i);
        g.appendChild(node);
      });
    }

    // The axis: where the scale is uneven, ticks stand evenly and say their time.
    const bottom = y;
    let last = -Infinity;
    const ticks = spread ? data.marks.map((m) => m.t) : steps(view[0], view[1]);
    for (const t of ticks) {
      if (!seen(t, t) || x(t) - last < 64 || x(t) > x1 - 20) continue;
      last = x(t);
      grid.appendChild(svg('line', { class: 'grid', x1: last, x2: last, y1: 4, y2: bottom }));
      root.appendChild(svg('line', { class: 'grid', x1: last, x2: last, y1: bottom - 2, y2: bottom + 3 }));
      root.appendChild(svg('text', { class: 'axis', x: last, y: bottom + 15, 'text-anchor': 'middle' }, `${t.toFixed(view[1] - view[0] < 0.2 ? 4 : 3)} s`));
    }
    // The scale says what it is.
    root.appendChild(svg('text', { class: 'axis', x: 8, y: bottom + 15 }, !spread ? 'time' : NAMES < 90 ? 'uneven' : 'uneven time'));
    note.textContent = spread
      ? 'The scale is uneven: each milestone has its room, only between two of them time is even; “true time” is even all over.'
      : '';
    if (collapsed) {
      const node = svg('rect', { class: 'collapsed', x: NAMES, y: 4, width: BOOT - 12, height: bottom - 8 });
      explain(node, `${ms(view[0])} before this are folded away; “whole run” shows them`);
      root.appendChild(node);
      root.appendChild(svg('text', { class: 'axis', x: NAMES + (BOOT - 12) / 2, y: bottom + 15, 'text-anchor': 'middle' }, `0–${view[0].toFixed(1)} s`));
    }
    // Names stay in sight when the picture is scrolled sideways.
    const names = svg('g', {});
    for (const lane of lanes) {
      names.appendChild(svg('rect', { class: 'lane', x: 0, y: lane.top, width: NAMES - 6, height: lane.height }));
      const parts = textWidth(lane.name) > NAMES - 28 ? lane.name.split(/(?<!&) (?!&)|(?<=&) /) : [lane.name];
      parts.forEach((part, i) => names.appendChild(svg('text', {
        class: 'lane-name', x: 8, y: lane.top + 16 + i * 14,
      }, part)));
    }
    root.appendChild(names);
    const stick = () => names.setAttribute('transform', `translate(${figure.scrollLeft} 0)`);
    figure.onscroll = stick;
    root.setAttribute('height', bottom + FOOT);
    figure.replaceChildren(root);
    stick();
    geometry = { x0, x1 };
  }
  let geometry = { x0: 0, x1: 1 };

  function steps(a, b) {
    const raw = (b - a) / 8, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= raw);
    const all = [];
    for (let t = Math.ceil(a / step) * step; t <= b; t += step) all.push(t);
    return all;
  }

  function zoom(factor, centre = (view[0] + view[1]) / 2) {
    const width = Math.min(full[1] * 1.04, Math.max(2e-4, (view[1] - view[0]) * factor));
    const part = (centre - view[0]) / (view[1] - view[0]);
    look(centre - width * part, centre + width * (1 - part));
  }
  function look(a, b) {
    const width = b - a;
    a = Math.max(0, Math.min(a, full[1] * 1.02 - width));
    view = [Math.max(0, a), Math.max(0, a) + width];
    draw();
  }
  const pan = (part) => { const d = (view[1] - view[0]) * part; look(view[0] + d, view[1] + d); };

  button(tools, 'hand-over', () => { view = home.slice(); draw(); });
  button(tools, 'whole run', () => { view = [0, full[1] * 1.01]; draw(); });
  button(tools, '+', () => zoom(0.5)).setAttribute('aria-label', 'closer');
  button(tools, '−', () => zoom(2)).setAttribute('aria-label', 'farther');
  button(tools, '◀', () => pan(-0.3)).setAttribute('aria-label', 'earlier');
  button(tools, '▶', () => pan(0.3)).setAttribute('aria-label', 'later');
  button(tools, 'true time', (e) => { spread = !spread; e.setAttribute('aria-pressed', !spread); draw(); }, !spread);
  const note = html('p', 'sub note');
  figure.after(note);
  const legend = html('span', 'legend');
  for (const [cls, text] of [['step', 'step'], ['gate', 'gate waits for the host'], ['program', 'modprobe'],
    ['upload', 'upload and start of the firmware'], ['density', 'register accesses'], ['fault', 'fault or failure']]) {
    const item = html('span');
    item.append(html('i', cls), text);
    legend.appendChild(item);
  }
  tools.appendChild(legend);

  figure.addEventListener('wheel', (e) => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const at = (e.clientX - figure.getBoundingClientRect().left + figure.scrollLeft - geometry.x0) / (geometry.x1 - geometry.x0);
    zoom(e.deltaY > 0 ? 1.25 : 0.8, view[0] + Math.min(1, Math.max(0, at)) * (view[1] - view[0]));
  }, { passive: false });
  figure.addEventListener('keydown', (e) => {
    const act = { '+': () => zoom(0.5), '-': () => zoom(2), ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2) }[e.key];
    if (act) { e.preventDefault(); act(); }
  });
  let drawn = 0;
  const fit = () => { if (figure.clientWidth !== drawn) { drawn = figure.clientWidth; draw(); } };
  fit();
  new ResizeObserver(() => requestAnimationFrame(fit)).observe(figure);
}
