/* draw -- draws the current position: source, kernel, variables, timeline */
'use strict';

/* ---- the source ---- */

const TOKENS = new RegExp([
    /(?<c>\/\*[^]*?\*\/|\/\/.*)/,
    /(?<s>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')/,
    /(?<p>^[ \t]*#[ \t]*\w+)/,
    new RegExp('\\b(?<k>auto|bool|break|case|char|const|continue|default|do|' +
        'double|else|enum|extern|false|float|for|goto|if|inline|int|long|' +
        'NULL|return|short|signed|sizeof|s?size_t|static|struct|switch|true|' +
        'typedef|union|unsigned|void|volatile|while)\\b'),
].map((r) => r.source).join('|'), 'gm');

/* Returns the lines of a C source as HTML. */
function colored(text)
{
    let html = '', end = 0;
    for (const match of text.matchAll(TOKENS)) {
        const [kind] = Object.entries(match.groups).find(([, found]) => found);
        html += esc(text.slice(end, match.index)) + match[0].split('\n')
            .map((part) => `<span class="${kind}">${esc(part)}</span>`)
            .join('\n');
        end = match.index + match[0].length;
    }
    return (html + esc(text.slice(end))).replace(/\n$/, '').split('\n');
}

/* Returns the lines of a file that the recording beside doesn't have, unless
   that's most of both. */
function only_here(k, name)
{
    const mine = recs[k].files[name].split('\n');
    const other = recs[1 - k]?.files?.[name]?.split('\n') ?? [];
    const both = new Set(common(mine, other).map(([i]) => i));
    return new Set(4 * both.size < mine.length + other.length ? []
        : range(mine.length).filter((i) => !both.has(i)));
}

function fill_file(k, view, name)
{
    const only = only_here(k, name);
    view.file = name;
    view.marks = [];
    view.code.innerHTML = colored(recs[k].files[name]).map((line, i) =>
        `<div class="l${only.has(i) ? ' only' : ''}"><i>${i + 1}</i>` +
        `<code>${line || ' '}</code></div>`).join('');
    view.code.setAttribute('aria-label', `Source of ${name}`);
    for (const tab of view.tabs.children)
        tab.setAttribute('aria-pressed', tab.dataset.file === name);
}

/* Returns the view of the source for a process. */
function view_of(k, id)
{
    const {views, source} = panes[k];
    if (views.has(id))
        return views.get(id);
    const files = Object.keys(recs[k].files ?? {});
    source.insertAdjacentHTML('beforeend', `<div class="view"><div class="bar">
        <b class="whose"></b>
        <span class="tabs ${files.length > 1 ? '' : 'single'}">${files.map((name) =>
        `<button data-file="${esc(name)}">${esc(name)}</button>`).join('')}</span><span class="where" title="Functions, outermost first">
        </span></div><div class="code" tabindex="0" role="region"></div></div>`);
    const view = {el: source.lastElementChild, marks: []};
    for (const part of ['whose', 'tabs', 'where', 'code'])
        view[part] = view.el.querySelector(`.${part}`);
    view.tabs.onclick = ({target}) => {
        if (target.dataset.file)
            fill_file(k, view, target.dataset.file);
    };
    views.set(id, view);
    return view;
}

function mark(view, line, classes, text)
{
    const row = view.code.children[line - 1];
    row?.classList.add(...classes);
    if (text)
        row?.insertAdjacentHTML('beforeend',
            `<span class="tag">${esc(text)}</span>`);
    if (row)
        view.marks.push(row);
    return row;
}

/* Returns the processes that live, and the one whose step this is. */
function living(s)
{
    return Object.entries(s.processes ?? {}).filter(([id, p]) =>
        id === s.process || p.state !== 'exited');
}

/* Draws a view of the source for each process that lives: fork splits it. */
function draw_source(k)
{
    const {views} = panes[k], s = state(k), was = before(k);
    const live = living(s);
    while (live.length > (recs.length > 1 ? 2 : 3))
        live.splice(live.findLastIndex(([id]) => id !== s.process), 1);
    for (const [id, view] of views) {
        if (!live.some(([other]) => other === id)) {
            view.el.remove();
            views.delete(id);
        }
    }
    const rows = new Map();
    for (const [id, p] of live) {
        const view = view_of(k, id), here = id === s.process;
        if (p.file !== view.file && recs[k].files?.[p.file] !== undefined)
            fill_file(k, view, p.file);
        for (const row of view.marks) {
            row.classList.remove('at', 'here', 'ran', 'sleeps');
            row.querySelectorAll('.tag').forEach((tag) => tag.remove());
        }
        view.marks = [];
        // What a signal has interrupted began before its handler.
        const ran = /EINTR$/.test(s.call?.text) ? frame_before(recs[k], axis[at][k])
            : was.processes?.[id], text = !here ? '' : s.call?.text ??
            changes(recs[k], axis[at][k]).map((pair) => pair.join(' = ')).join(', ');
        if (text && ran?.file === view.file && ran.stack?.length >= p.stack?.length)
            mark(view, ran.line, ['ran'], text);
        if (p.file === view.file) {
            const sleeps = p.state === 'blocked', ended = p.state === 'exited';
            const row = mark(view, p.line, ['at', ...here && !ended ? ['here'] : [],
                ...sleeps ? ['sleeps'] : []], sleeps ? `sleeps in ${p.in}`
                : ended ? 'has exited' : '');
            if (row)
                rows.set(view, row);
        }
        view.el.classList.toggle('active', here && live.length > 1);
        view.whose.textContent = live.length > 1 ? recs[k].names[id] : '';
        view.where.innerHTML = (p.stack ?? []).map((name) =>
            `<span>${esc(name)}</span>`).join(' › ');
    }
    panes[k].source.classList.toggle('many', live.length > 1);
    panes[k].rows = rows;
}

/* Scrolls the source, and nothing around it, so that the row isn't near an edge
   and, if there's room, what has run is there as well. */
function reveal(row, {code: box, marks: [ran]})
{
    const top = row.offsetTop - box.scrollTop, room = box.clientHeight;
    if (top < room * 0.15 || top + row.offsetHeight > room * 0.8)
        box.scrollTop = row.offsetTop -
            Math.max(0, Math.min(room * 0.4, room - row.offsetHeight));
    const up = Math.max(ran.offsetTop, row.offsetTop + row.offsetHeight - room);
    if (up < box.scrollTop && up < ran.offsetTop + ran.offsetHeight)
        box.scrollTop = up;
}

/* ---- the kernel ---- */

const DOES = {runs: '▶ runs', blocked: '☾ sleeps', stopped: '‖ is stopped',
    exited: '■ has exited'};

const PHASES = ['timers', 'wait', 'I/O', 'tasks'];

/* Returns a buffer. If bytes come and go in one step, both are shown where
   there's room; came is how many come. */
function buffer(end, was, way, most, full, came)
{
    const {n, fin} = held(end, way), old = held(was, way).n, diff = n - old;
    const moves = !diff ? [] : came > 0 && came > diff ? [came, diff - came] : [diff];
    return `<div class="buffer ${diff ? 'changed' : ''} ${full ? 'full' : ''}">
        <span>${way === 'send' ? 'send' : 'receive'}</span>
        <b>${n || !fin ? `${number(n)} B` : ''}${fin ? `${n ? ' +' : ''}FIN` : ''}</b>
        <div class="tube" title="${full ? 'it takes no more now'
        : `at most ${number(most)} B in this run`}"><i style="
            width: ${full ? 100 : 100 * n / most}%; --from: ${100 * old / most}%">
            </i>${full ? '<strong>full</strong>' : ''}${moves.length ? `<em>${moves
        .map((m) => `<span>${m > 0 ? '+' : '−'}${number(Math.abs(m))}</span>`)
        .join(' ')}</em>` : ''}</div></div>`;
}

/* Returns how many bytes come into each buffer of a connection in a step. It
   follows from what the client sends and takes. */
function coming(name, s, was)
{
    const a = s.sockets?.[name], b = was.sockets?.[name];
    const more = (side, way) => held(a?.[side], way).n - held(b?.[side], way).n;
    const [sent, got] = ['sent', 'got'].map((key) =>
        (s.clients?.[name]?.[key] ?? 0) - (was.clients?.[name]?.[key] ?? 0));
    const arrives = more('client', 'recv') + got;
    return {'client send': sent, 'client recv': arrives,
        'server recv': sent - more('client', 'send'),
        'server send': arrives + more('server', 'send')};
}

const STATES = {ESTABLISHED: 'no FIN sent, and none has come', FIN_WAIT1: 'its FIN is under way',
    FIN_WAIT2: 'its FIN has arrived', CLOSE_WAIT: 'the other side has sent its FIN',
    LAST_ACK: 'both have sent a FIN; its own is under way',
    TIME_WAIT: 'both FINs have arrived'};

/* Returns one end of a connection: its state and two buffers. */
function end_of(rec, name, side, pair, was, full, came)
{
    const end = pair?.[side];
    if (!end)
        return '<div class="end none">no socket</div>';
    const order = side === 'client' ? ['send', 'recv'] : ['recv', 'send'];
    const queued = side === 'server' && end.accepted === false;
    return `<div class="end ${queued ? 'queued' : ''}">` + order.map((way) =>
        buffer(end, was?.[side], way, rec.most[`${name} ${side} ${way}`],
            full.has(`${name} ${side} ${way}`), came[`${side} ${way}`]))
        .join('') + `<small class="${end.state !== was?.[side]?.state
        ? 'changed' : ''} ${end.state === 'ESTABLISHED' ? 'usual' : ''}" title="${
        STATES[end.state] ?? ''}">${
        esc(end.state).replace('_', '_<wbr>')}</small>${
        queued ? '<small class="note">not accepted yet</small>' : ''}</div>`;
}

function listening(s, was)
{
    const listen = s.sockets?.listen;
    if (!listen)
        return '<div class="end none">no listening socket</div>';
    const names = Object.keys(s.sockets)
        .filter((name) => s.sockets[name].server?.accepted === false);
    const slots = range(listen.queue ?? 0).map((i) =>
        `<b>${esc(names[i] ?? '?')}</b>`).join('');
    const same = listen.queue === was.sockets?.listen?.queue;
    return `<div class="end listen"><span>listening socket</span>
        <span class="queue ${same ? '' : 'changed'}">accept queue:
        ${slots || 'empty'}</span></div>`;
}

const labels = (events, is_ready) => events.split('|').map((event) => event === '0'
    ? '<small class="paused">paused</small>'
    : `<small class="${is_ready(event) ? 'ready' : ''}">${esc(event)}</small>`).join('');

const ring = (p, event = '0') => p.state === 'blocked' && event !== '0' ? 'watched' : '';

/* Returns the descriptors of a process for one socket, on their wires, and what
   it watches there, with a class if that is ready. On goes the wire if a process
   further right has one too. */
function descriptors(p, was, socket, on, is_ready)
{
    const watches = p.watches ?? {};
    const mine = Object.entries(p.fds ?? {}).filter(([, id]) => id === socket);
    return `<div class="fd ${mine.length ? 'wired' : ''} ${on ? 'on' : ''}">` +
        mine.map(([fd]) => `<b class="${was?.fds?.[fd] === socket ? ''
            : 'changed'} ${ring(p, watches[fd])}">${esc(fd)}</b>` + (watches[fd]
            ? `<span class="watch">${labels(watches[fd], is_ready)}</span>` : ''))
            .join('') + '</div>';
}

function process_box(rec, id, p, s)
{
    const watches = p.watches ?? {};
    const phases = PHASES.map((phase) => phase === p.phase
        ? `<b>▸ ${phase}</b>` : `<i>${phase}</i>`).join('');
    const others = Object.entries(p.fds ?? {}).filter(([fd, what]) =>
        fd > 2 && !(what in (s.sockets ?? {})));
    return `<div class="process ${esc(p.state)}"><b>${esc(rec.names[id])}</b>
        <span>${DOES[p.state] ?? esc(p.state)}</span>
        ${p.in ? `<span>in <code>${esc(p.in).replace('_', '_<wbr>')}</code></span>` : ''}
        ${rec.phased ? `<span class="phases">${phases}</span>` : ''}
        ${others.map(([fd, what]) => `<span class="other"><b class="${
        ring(p, watches[fd])}">${esc(fd)}</b> ${esc(what)} ${
        watches[fd] ? labels(watches[fd], () => /byte/.test(what)) : ''}</span>`).join('')}</div>`;
}

function draw_kernel(k)
{
    const rec = recs[k], s = state(k), was = before(k);
    const processes = living(s), full = rec.full[axis[at][k]];
    const names = [...new Set([...rec.clients ?? [], ...Object.keys(
        s.sockets ?? {}).filter((name) => name !== 'listen')])];
    const put = (row, column, html) =>
        html.replace('<div', `<div style="grid-area: ${row} / ${column}"`);
    const wires = (row, socket) => processes.map(([id, p], i) => put(row, 5 + i,
        descriptors(p, was.processes?.[id], socket, processes.slice(i + 1)
            .some(([, q]) => Object.values(q.fds ?? {}).includes(socket)),
            (event) => ready(s, full, socket, event))));
    const rows = names.length + 3;
    const parts = [
        put(1, '1', '<div class="head">clients</div>'),
        put(1, '2 / span 1 / span 3', '<div class="head">kernel</div>'),
        put(1, `2 / span ${rows} / span 3`, '<div class="ground"></div>'),
        ...processes.map(([id, p], i) => put(1,
            `${5 + i} / span ${rows} / span 1`,
            process_box(rec, id, p, s))),
        put(2, '2 / span 1 / span 3', listening(s, was)), ...wires(2, 'listen'),
        put(rows, '2', '<div class="foot"></div>'),
    ];
    names.forEach((name, i) => {
        const row = i + 3, c = s.clients?.[name] ?? {};
        const pair = s.sockets?.[name], old = was.sockets?.[name];
        const end = (side) => end_of(rec, name, side, pair, old, full,
            coming(name, s, was));
        parts.push(
            put(row, '1', `<div class="peer ${
                c === was.clients?.[name] ? '' : 'changed'} ${
                pair?.client && c.state !== 'closed' ? 'wired' : ''}"><b>${esc(name)}</b>
                <span>${esc(c.state)}</span><small>${esc(c.does)}</small></div>`),
            ...pair?.client || pair?.server ? [
                put(row, 2, end('client')),
                put(row, 3, '<div class="arrows"><i>→</i><i>←</i></div>'),
                put(row, 4, end('server'))]
            : [put(row, '2 / span 1 / span 3', `<div class="end none ${
                c.state === 'not yet' ? 'early' : ''}">no connection</div>`)],
            ...wires(row, name));
    });
    panes[k].kernel.style.setProperty('--n', processes.length);
    panes[k].kernel.classList.toggle('many', processes.length > 1);
    panes[k].kernel.classList.toggle('polls', rec.polls);
    panes[k].kernel.innerHTML = parts.join('');
}

/* Returns what the signs of the drawing mean, those that the recording has. */
function legend(rec)
{
    return `<p class="legend"><span><b>4</b> descriptor</span>
        <span><b class="changed">4</b> new</span>
        <span><b class="watched">4</b> sleeps on it</span>${rec.polls ? `
        <span><small>IN</small> <small>OUT</small> watched for</span>
        <span><small class="ready">IN</small> ready</span>` : ''}${
        rec.full.some((set) => set.size) ? `<span class="buffer full"><i class="tube">
        <i></i></i> full</span>` : ''}</p>`;
}

/* ---- variables ---- */

/* Returns LIFE_OPEN, in a field life, as OPEN. */
function short(field, value)
{
    const prefix = `${field.toUpperCase()}_`;
    return value?.startsWith?.(prefix) ? value.slice(prefix.length) : value;
}

function cell(value, old)
{
    if (value === old || old === undefined)
        return `<td>${esc(value)}</td>`;
    return `<td class="changed"><s>${esc(old)}</s> → ${esc(value ?? 'gone')}</td>`;
}

/* Returns a table of variables; old is missing if they are another function's. */
function values(kind, title, set, old)
{
    const entries = Object.entries(set ?? {});
    return entries.length === 0 ? ''
        : `<table class="${kind}"><caption>${esc(title)}</caption>` +
        entries.map(([name, value]) => `<tr><th scope="row">${esc(name)}</th>${
            !old || name in old ? cell(value, old?.[name])
            : `<td class="changed">${esc(value)}</td>`}</tr>`).join('') +
        '</table>';
}

/* Returns a table with a column for each connection. */
function connections(conns, old)
{
    if (!conns?.length)
        return '';
    const fields = [...new Set(conns.flatMap((c) => Object.keys(c.fields ?? {})))];
    const rows = [['fd', (c) => c?.fd], ...fields.map((field) =>
        [field, (c) => short(field, c?.fields?.[field])]), ...conns.some((c) =>
        'pending' in c) ? [['pending', (c) => c?.pending]] : []];
    const was = ({name}) => old?.find((c) => c.name === name);
    return `<table class="conns"><caption>connections</caption><tr><td></td>${
        conns.map((c) => `<th scope="col">${esc(c.name)}</th>`).join('')}</tr>` +
        rows.map(([name, value]) => `<tr><th scope="row">${esc(name)}</th>${
            conns.map((c) => cell(value(c), value(was(c)))).join('')}</tr>`)
            .join('') + '</table>';
}

function draw_variables(k)
{
    const s = state(k), now = process(s);
    const then = before(k).processes?.[s.process] ?? {};
    const same = String(now.stack) === String(then.stack);
    const whose = Object.keys(s.processes ?? {}).length > 1
        ? ` (${recs[k].names[s.process]})` : '';
    panes[k].variables.innerHTML =
        values('locals', `${now.function ?? 'local'}${whose}`, now.locals,
            same ? then.locals : undefined) +
        values('globals', 'global', now.globals, then.globals) +
        connections(now.conns, then.conns);
}

/* ---- the timeline ---- */

/* Spreads the positions: where a client acts or the server sleeps there's room
   for a label, so these steps share half of the line. */
function spread()
{
    const wide = axis.map((_, p) => p === 0 || recs.some((_, k) =>
        moved(k, p) && (from_outside(state(k, p)) || state(k, p).kind === 'blocked')));
    const many = wide.filter(Boolean).length;
    const weight = Math.max(3, (axis.length - many) / many);
    pos = [0];
    for (let p = 1; p < axis.length; p++)
        pos.push(pos[p - 1] + (wide[p - 1] ? weight : 1));
    const end = pos.at(-1) || 1;
    pos = pos.map((x) => x / end);
}

const percent = (x) => `${(100 * x).toFixed(2)}%`;

/* Returns a lane with marks {p, text, title}. */
function lane_of_marks(who, marks, kind)
{
    return `<div class="lane ${kind}"><span class="who">${esc(who)}</span>
        <div class="track">` + marks.map((m) => `<a class="mark"
        href="${link(m.p)}" tabindex="-1" title="${esc(m.title)}" aria-label="${esc(m.title)}"
        data-text="${esc(m.text)}" style="left: ${percent(pos[m.p])}"></a>`)
        .join('') + '</div></div>';
}

/* Writes the labels of the timeline, in full or by their first words: none is
   cut, or covers another. Moments have some rows. */
function arrange()
{
    for (const lane of document.querySelectorAll('.lane:is(.moments, .acts)')) {
        const free = Array(lane.matches('.moments') ? recs.length + 2 : 1).fill(0);
        const marks = [...lane.querySelectorAll('.mark')];
        const lefts = marks.map((mark) => mark.getBoundingClientRect().left);
        marks.forEach((mark, i) => {
            const {text} = mark.dataset, end = free.length === 1 && lefts[i + 1] ||
                lane.getBoundingClientRect().right;
            const verb = /^(\d+: )?\w+s\b/.exec(text)?.[0] ?? '';
            [text, text.split(': "')[0], verb, ''].some((part) => {
                mark.textContent = part;
                const to = lefts[i] + mark.offsetWidth;
                const row = free.findIndex((x) => x <= lefts[i]);
                if (part && (row < 0 || to > end))
                    return false;
                mark.style.setProperty('--row', Math.max(row, 0));
                free[row] = to;
                return true;
            });
        });
        lane.style.setProperty('--rows', free.findLastIndex((x) => x > 0) + 1 || 1);
    }
    for (const span of document.querySelectorAll('.span')) {
        span.textContent = span.dataset.text;
        if (span.scrollWidth > span.clientWidth)
            span.textContent = '';
    }
}

/* Returns the lanes of a recording's processes: where each runs and sleeps. */
function lanes_of_processes(k)
{
    const ids = [...new Set(recs[k].states.flatMap((s) =>
        Object.keys(s.processes ?? {})))];
    return ids.map((id) => {
        const spans = [];
        for (const p of range(axis.length)) {
            const it = state(k, p).processes?.[id] ?? {};
            const key = `${it.state ?? 'none'} ${it.in ?? ''}`;
            if (spans.at(-1)?.key !== key)
                spans.push({key, it, p});
        }
        const who = recs.length === 1 ? recs[k].names[id]
            : `${recs[k].stage.slice(0, 2)} ${recs[k].names[id].replace('child ', '')}`;
        return `<div class="lane server"><span class="who">${esc(who)}</span>
            <div class="track">` + spans.map(({it, p}, i) => {
            const text = it.state === 'blocked' ? it.in : '';
            const from = pos[p], to = pos[spans[i + 1]?.p] ?? 1;
            return `<span class="span ${esc(it.state)}" title="${
                it.state === 'blocked' ? `sleeps in ${esc(it.in)}`
                : esc(it.state)}" style="left: ${percent(from)};
                width: ${percent(to - from)}" data-text="${esc(text)}"></span>`;
        }).join('') + '</div></div>';
    }).join('');
}

/* Returns a moment's name, b-waits, as one reads it: B waits. */
function readable(name)
{
    return name.replace(/-/g, ' ').replace(
        /\b([a-z]|fin|eof|eintr|emfile)\b/g, (word) => word.toUpperCase());
}

function draw_timeline()
{
    const names = [...new Set(recs.flatMap((rec) => rec.clients ?? []))];
    const acts = new Map(names.map((name) => [name, []]));
    for (const p of range(axis.length)) {
        const acting = range(recs.length).filter((k) =>
            moved(k, p) && state(k, p).kind === 'client');
        if (acting.length === 0)
            continue;
        const s = state(acting[0], p), old = state(acting[0], p - 1);
        const name = names.find((n) => s.now.startsWith(`${n} `)) ??
            names.find((n) => s.clients?.[n] !== old.clients?.[n]);
        acts.get(name)?.push({p, title: s.now, text:
            whose(acting) + s.now.replace(`${name} `, '').split(/[.,]/)[0]});
    }
    const named = moments().map(({name, p, of}, _, all) => {
        const near = all.find((m) => m.name === name && m.p !== p &&
            Math.abs(pos[m.p] - pos[p]) < 0.05); // one label will do for both
        return {p, title: `${whose(of)}moment ${name}`, text: near?.p < p ? ''
            : (near ? '' : whose(of)) + readable(name)};
    });
    $('lanes').innerHTML =
        (named.length ? lane_of_marks('moments', named, 'moments') : '') +
        names.map((name) => lane_of_marks(name, acts.get(name), 'acts')).join('') +
        recs.map((_, k) => lanes_of_processes(k)).join('') +
        '<div class="lane playhead"><span class="who"></span><div class="track">' +
        '<i id="now-line"></i></div></div>';
    arrange();
}
