
// The page of a run: its timeline, milestones and events.
timeline(data, $('picture'), $('tools'), $('detail'));
const home = handOver(data);
for (const li of document.querySelectorAll('.milestones li')) {
  li.addEventListener('pointerenter', () => highlight(li.dataset.mark));
}

// ---- the events -----------------------------------------------------------------------------
const list = $('events'), filters = $('filters');
const sources = [...new Set(data.rows.map((r) => r.source))];
const hidden = new Set(['registers', 'netlink'].filter((s) => sources.includes(s)));
const CHUNK = 400;
let boot = false, words = '', shown = CHUNK, hot = -1;

const search = html('input');
search.type = 'search';
search.placeholder = 'filter by text';
search.setAttribute('aria-label', 'filter events by text');
search.addEventListener('input', () => { words = search.value.toLowerCase(); shown = CHUNK; fill(); });
filters.appendChild(search);
const buttons = new Map(sources.map((s) => [s, button(filters, s, (e) => {
  if (!hidden.delete(s)) hidden.add(s);
  e.setAttribute('aria-pressed', !hidden.has(s));
  shown = CHUNK;
  fill();
}, !hidden.has(s))]));
const bootButton = button(filters, 'boot', (e) => { boot = !boot; e.setAttribute('aria-pressed', boot); shown = CHUNK; fill(); }, false);

function visible(r) {
  return !hidden.has(r.source) && (boot || r.t >= home[0]) && (!words || r.text.toLowerCase().includes(words));
}
function fill() {
  const rows = data.rows.filter(visible);
  const parts = rows.slice(0, shown).map((r) => {
    const e = html('div', `row ${r.source}${r.t < home[0] ? ' boot' : ''}`);
    if (r.level !== undefined && r.level <= 3) e.classList.add('trouble');
    if (r.seq === hot) e.classList.add('hot');
    e.append(html('span', 'at', r.t.toFixed(4)), html('span', 'source', r.source), html('span', '', r.text));
    return e;
  });
  list.replaceChildren(...parts);
  if (rows.length > shown) button(list, `${rows.length - shown} more`, () => { shown += 4 * CHUNK; fill(); });
  if (rows.length === 0) list.appendChild(html('div', 'row boot', 'no event fits'));
  if (data.left_out > 0) list.appendChild(html('div', 'row boot', `${data.left_out} rows are only in events.jsonl`));
}
fill();

for (const e of document.querySelectorAll('[data-near]')) {
  e.addEventListener('click', () => {
    hot = Number(e.dataset.near);
    let row = data.rows.findLast((r) => r.seq <= hot);
    if (row === undefined) return;
    hot = row.seq;
    search.value = words = '';
    hidden.delete(row.source);
    buttons.get(row.source).setAttribute('aria-pressed', true);
    if (row.t < home[0]) { boot = true; bootButton.setAttribute('aria-pressed', true); }
    shown = Math.max(CHUNK, data.rows.filter(visible).findIndex((r) => r.seq === hot) + 50);
    fill();
    const node = list.querySelector('.hot');
    list.scrollIntoView({ block: 'center' });
    list.scrollTop = node.offsetTop - list.offsetTop - list.clientHeight / 3;
  });
}
