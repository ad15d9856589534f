
// Pages of many runs: a place of the table opens its plays, each with its timeline.
const dialog = $('play');

function show(place) {
  const shown = data.places[place];
  dialog.querySelector('h2').textContent = shown.title;
  const chooser = $('plays');
  chooser.replaceChildren();
  const choices = shown.plays.map((play, n) => {
    const word = play.again ? `${play.outcome}, tried again` : play.outcome;
    const e = button(chooser, `${n + 1} ${word}`, () => choose(n), false);
    e.classList.add(play.class);
    return e;
  });
  chooser.hidden = choices.length < 2;
  const choose = (n) => {
    choices.forEach((e, i) => e.setAttribute('aria-pressed', i === n));
    draw(shown.plays[n]);
  };
  dialog.showModal();
  const bad = shown.plays.findIndex((play) => play.class !== 'passed');
  choose(Math.max(0, bad));
}

function draw(play) {
  const verdict = dialog.querySelector('.verdict');
  verdict.parentNode.className = play.class;
  verdict.replaceChildren(html('strong', '', play.outcome), ` ${play.line} `, html('span', 'sub', `${play.seconds.toFixed(1)} s `));
  if (play.page !== null) {
    const link = html('a', '', 'its page, with every event');
    link.href = play.page;
    verdict.append(link);
  }
  const picture = data.pictures[play.run];
  const place = $('place');
  if (picture === undefined) {
    place.replaceChildren(html('p', 'sub', play.run === null ? 'It never came to a run.' : 'Its timeline is on its own page.'));
    return;
  }
  const tools = html('p', 'tools'), figure = html('figure'), detail = html('p', 'detail');
  figure.tabIndex = 0;
  figure.setAttribute('aria-label', 'Timeline');
  detail.setAttribute('role', 'status');
  const list = html('ol', 'milestones');
  picture.marks.forEach((mark, n, marks) => {
    const gap = n > 0 ? `+${ms(mark.t - marks[n - 1].t)}` : '';
    const li = html('li', mark.bad ? 'bad' : '');
    li.dataset.mark = n;
    li.append(html('span', 'n', n + 1), html('span', 't', mark.t.toFixed(3)), html('span', 'gap', gap), html('span', 'what', mark.text));
    li.addEventListener('pointerenter', () => highlight(n));
    list.appendChild(li);
  });
  place.replaceChildren(tools, figure, detail, list);
  timeline(picture, figure, tools, detail);
}

const filters = $('filters');
if (document.querySelector('tr.good') && document.querySelector('tr.bad')) {
  button(filters, filters.dataset.only || 'only what did not pass', (e) => {
    e.setAttribute('aria-pressed', document.body.classList.toggle('bad-only'));
  }, false);
}

for (const e of document.querySelectorAll('[data-place]')) {
  e.addEventListener('click', (event) => {
    // A new tab is a wish for the page itself.
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(e.dataset.place);
  });
}
