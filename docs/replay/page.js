/* page -- moves through recorded runs of servers, forward and back */
'use strict';

/* ---- what is shown, and moving through it ---- */

const recordings = new Map();
let recs = [];  // one recording, or two side by side
let axis = [];  // align(recs)
let pos = [];   // where each position stands on the timeline, from 0 to 1
let at = 0;     // the current position
let panes = [];
let playing = 0;
let saving = 0;

const state = (k, p = at) => recs[k].states[axis[p][k]];
const before = (k) => recs[k].states[Math.max(axis[at][k] - 1, 0)];
const said = (k) => caption(recs[k], axis[at][k]);
const moved = (k, p) => p > 0 && axis[p][k] !== axis[p - 1][k];
const depth = (s) => process(s).stack?.length ?? 0;
const comes = (kind) => (p) =>
    recs.some((_, k) => moved(k, p) && state(k, p).kind === kind);

/* Returns true if p is in the function where we are now, or in its caller. */
function above(p)
{
    return recs.some((_, k) => moved(k, p) && !from_outside(state(k, p)) &&
        state(k, p).process === state(k).process &&
        depth(state(k, p)) <= depth(state(k)));
}

const MOVES = [
    {id: 'step', label: 'Step', does: 'one step', stop: () => true,
        keys: ['ArrowRight', 'ArrowLeft'], names: ['→', '←']},
    {id: 'over', label: 'Step over', does: 'to the next line here, over any calls',
        stop: above, keys: ['o', 'O'], names: ['o', 'Shift+o']},
    {id: 'call', label: 'System call', does: 'to the next system call',
        stop: comes('call'), keys: ['Shift+ArrowRight', 'Shift+ArrowLeft'],
        names: ['Shift+→', 'Shift+←']},
    {id: 'block', label: 'Until it blocks', stop: comes('blocked'),
        does: 'until the server sleeps in a call',
        keys: ['b', 'B'], names: ['b', 'Shift+b']},
    {id: 'client', label: 'Client acts', does: 'to what a client does next',
        stop: comes('client'), keys: ['c', 'C'], names: ['c', 'Shift+c']},
    {id: 'moment', label: 'Moment', does: 'to the next named moment',
        stop: (p) => moments().some((m) => m.p === p),
        keys: [']', '['], names: [']', '[']},
    {id: 'end', does: 'to the end, to the start', stop: () => false,
        keys: ['End', 'Home'], names: ['End', 'Home']},
];

function go(move, by)
{
    let p = at + by;
    while (p > 0 && p < axis.length - 1 && !move.stop(p))
        p += by;
    show(p);
}

/* Returns "03: " for what only one of two recordings has. */
function whose(found)
{
    return recs.length > found.length
        ? `${recs[found[0]].stage.slice(0, 2)}: ` : '';
}

/* Returns the named moments: their names, positions and recordings. */
function moments()
{
    const list = [];
    recs.forEach((rec, k) => {
        for (const [name, step] of Object.entries(rec.moments ?? {})) {
            const p = axis.findIndex((x) => x[k] >= step);
            const same = list.find((m) => m.name === name && m.p === p);
            if (same)
                same.of.push(k);
            else
                list.push({name, p, of: [k]});
        }
    });
    return list.sort((a, b) => a.p - b.p);
}

function pause()
{
    clearTimeout(playing);
    playing = 0;
    $('play').textContent = '▶ Play';
}

function play()
{
    if (playing)
        return pause();
    if (at === axis.length - 1)
        show(0);
    $('play').textContent = '❚❚ Pause';
    const next = () => {
        show(at + 1);
        const slow = recs.some((_, k) => moved(k, at) && (from_outside(state(k)) ||
            ['blocked', 'call'].includes(state(k).kind)));
        playing = setTimeout(at < axis.length - 1 ? next : pause,
            slow ? 1400 : 500);
    };
    playing = setTimeout(next, 300);
}

/* ---- the page ---- */

const KINDS = {line: 'line', call: 'system call', blocked: 'blocked',
    client: 'client', outside: 'from outside', exit: 'exit'};

function link(where)
{
    return `#${recs.map((rec) => rec.id).join('+')}/${where}`;
}

/* Returns the moment that a pane is at, or else passed last. */
function moment_of(k)
{
    const m = moments().findLast((m) => m.p <= at && m.of.includes(k));
    return !m ? '' : `<span class="moment ${m.p === at ? 'exact' : ''}"><small>${
        m.p === at ? 'moment' : 'after'}</small> ${esc(readable(m.name))}</span>`;
}

/* Shows a position, and soon its link in the address bar. (Browsers refuse
   hundreds of changes of the address in a row.) */
function show(p, fresh = p === 0)
{
    at = Math.min(Math.max(p, 0), axis.length - 1);
    recs.forEach((_, k) => {
        const {kind} = state(k), pane = panes[k];
        const text = `${moment_of(k)}<b class="kind ${esc(kind)}">${at === 0
            ? 'start' : esc(KINDS[kind] ?? kind)}</b> <span>${esc(said(k))
            .replace(/`(.*?)`/g, '<code>$1</code>')}</span>`;
        if (pane.now.innerHTML !== text)
            pane.now.innerHTML = text;
        draw_source(k);
        draw_kernel(k);
        draw_variables(k);
    });
    const last = axis.length - 1;
    document.body.classList.toggle('fresh', fresh);
    panes.forEach(({rows}) => rows.forEach(reveal));
    $('count').textContent = `${at} / ${last}`;
    $('scrubber').value = 1000 * pos[at];
    $('scrubber').setAttribute('aria-valuetext',
        `Step ${at} of ${last}: ${said(0).replaceAll('`', '')}`);
    $('now-line').style.left = percent(pos[at]);
    document.querySelectorAll('[data-by]').forEach((button) =>
        button.setAttribute('aria-disabled',
            at === (button.dataset.by > 0 ? last : 0)));
    document.querySelector('.main .label').textContent = fresh ? 'Start' : 'Step';
    $('whole').href = location.pathname + link(at);
    document.title = `Replay ${recs.map((rec) => rec.id).join(' + ')}, step ${at}`;
    clearTimeout(saving);
    const hash = location.hash;
    saving = setTimeout(() => {
        if (location.hash === hash) // unless a link was followed meanwhile
            history.replaceState(null, '', link(at));
    }, 100);
}

/* Makes the panes of these recordings. */
function compose(chosen)
{
    recs = chosen.map(unfold);
    axis = align(recs);
    spread();
    $('panes').className = recs.length > 1 ? 'two' : 'one';
    const oldest = recs.map((rec) => rec.stage).sort()[0];
    document.body.classList.toggle('beside', recs.length > 1);
    $('panes').innerHTML = recs.map((rec) => `<section class="pane ${
        rec.stage === oldest ? 'older' : ''}"
        aria-label="${esc(rec.stage)}">${
        recs.length > 1 ? `<h2>${esc(rec.stage)}</h2>` : ''}
        <p class="now" aria-live="polite" aria-atomic="true"></p>
        <div class="source"></div>
        <div class="side"><div class="drawing"><div class="kernel" role="group"
            aria-label="What the kernel knows"></div>${legend(rec)}</div>
            <div class="variables" role="group" aria-label="Variables"></div>
        </div></section>`).join('');
    panes = [...document.querySelectorAll('.pane')].map((el, k) => {
        const pane = {views: new Map()};
        for (const part of ['now', 'source', 'kernel', 'variables'])
            pane[part] = el.querySelector(`.${part}`);
        return pane;
    });
    draw_choosers();
    draw_timeline();
}

function draw_choosers()
{
    const all = [...recordings.values()], [rec, other] = recs;
    const stages = [...new Set(all.map((r) => r.stage))].sort();
    $('stages').innerHTML = stages.map((stage) => {
        const [, digits, name] = /^(\d*)-?(.*)$/.exec(stage);
        const like = all.find((r) => r.stage === stage &&
            r.scenario === rec.scenario) ?? all.find((r) => r.stage === stage);
        return `<a href="#${esc(like.id)}/0" title="${esc(stage)}" ${
            stage === rec.stage ? 'aria-current="page"' : ''}><b>${
            esc(digits)}</b> <span>${esc(name)}</span></a>`;
    }).join('');
    const option = (value, text, chosen) => `<option value="${esc(value)}" ${
        chosen ? 'selected' : ''}>${esc(text)}</option>`;
    $('scenario').innerHTML = all.filter((r) => r.stage === rec.stage)
        .map((r) => option(r.id, r.title ?? r.scenario, r === rec)).join('');
    $('beside').innerHTML = option('', 'none', !other) +
        all.filter((r) => r.scenario === rec.scenario && r !== rec)
            .map((r) => option(r.id, r.stage, r === other)).join('');
    $('about').textContent = `${rec.title ?? ''}. ${rec.about ?? ''}`;
}

/* Opens what the address names: #03-silent/57, #03-silent+04-silent/b-waits. */
function follow_address()
{
    const [ids, where] = location.hash.slice(1).split('/');
    const all = [...recordings.values()];
    let chosen = ids.split('+').map((id) => recordings.get(id))
        .filter(Boolean).slice(0, 2);
    if (chosen.length === 0)
        chosen = [all[0]];
    pause();
    if (chosen.length !== recs.length || chosen.some((r, k) => r !== recs[k]))
        compose(chosen);
    const moment = moments().find((m) => m.name === where);
    // Without an address: the first time that the server waits.
    show(moment ? moment.p : ids ? Number.parseInt(where, 10) || 0
        : Math.max(range(axis.length).findIndex(comes('blocked')), 0), !ids || undefined);
}

function choose_beside()
{
    const other = recordings.get($('beside').value);
    const step = axis[at][0];
    compose(other ? [recs[0], other] : [recs[0]]);
    show(axis.findIndex((x) => x[0] === step));
}

const OTHER_KEYS = {
    ' ': play,
    '?': () => {
        $('keys').showModal(); // and scrolls to the button with the focus
        $('keys').scrollTop = 0;
    },
};

function on_key(event)
{
    if (event.ctrlKey || event.metaKey || event.altKey || $('keys').open ||
        event.target.closest('select') ||
        (event.key === ' ' && event.target.closest('button, a')))
        return;
    const key = (event.shiftKey && event.key.startsWith('Arrow') ? 'Shift+' : '') +
        event.key;
    const move = MOVES.find((m) => m.keys.includes(key));
    if (move) {
        pause();
        go(move, move.keys[0] === key ? 1 : -1);
    } else if (OTHER_KEYS[key]) {
        OTHER_KEYS[key]();
    } else if (/^[1-9]$/.test(key)) {
        $('stages').children[key - 1]?.click();
    } else {
        return;
    }
    event.preventDefault();
}

const ORDER = ['silent', 'half-close', 'stalled', 'descriptors'];

function start()
{
    const all = [...document.querySelectorAll('script.recording')]
        .map((element) => JSON.parse(element.textContent));
    const first = ({scenario}) => (ORDER.indexOf(scenario) + 1) || 99;
    all.sort((a, b) => first(a) - first(b));
    all.forEach((recording) => recordings.set(recording.id, recording));
    $('controls').innerHTML = MOVES.filter((m) => m.label).map((m, i) => `
        <span class="move ${i === 0 ? 'main' : ''}"><button data-move="${m.id}"
        data-by="-1" title="Back ${m.does} (${m.names[1]})"
        aria-label="Back: ${m.does}">◀</button><button data-move="${m.id}"
        data-by="1" title="On ${m.does} (${m.names[0]})" aria-label="${m.label}:
        ${m.does}"><span class="label">${m.label}</span> <i>▶</i></button></span>`)
        .join('') + '<button id="play" title="Play or pause (space)"></button>' +
        '<a id="whole" target="_blank">whole page</a>';
    $('controls').onclick = ({target}) => {
        const button = target.closest('[data-move]');
        if (!button)
            return;
        pause();
        go(MOVES.find((m) => m.id === button.dataset.move),
            Number(button.dataset.by));
    };
    $('key-table').tBodies[0].innerHTML = [...MOVES.map((m) => [...m.names, m.does]),
        ['space', '', 'play, pause'], ['1 … 6', '', 'another stage'],
        ['?', '', 'this page']]
        .map(([on, back, does]) => `<tr><td><kbd>${on}</kbd></td><td>${
            back && `<kbd>${back}</kbd>`}</td><td>${does}</td></tr>`).join('');
    $('play').onclick = play;
    $('help').onclick = OTHER_KEYS['?'];
    $('scrubber').oninput = ({target}) => {
        pause();
        const x = target.value / 1000;
        const next = pos.findIndex((q) => q >= x);
        show(next > 0 && x - pos[next - 1] < pos[next] - x ? next - 1 : next);
    };
    $('scenario').onchange = ({target}) => { location.hash = `${target.value}/0`; };
    $('beside').onchange = choose_beside;
    document.onkeydown = on_key;
    window.onresize = arrange;
    window.onhashchange = follow_address;
    // replay.html?embed#… is for a frame in another page: no choosers there.
    document.body.classList.toggle('embed', location.search === '?embed');
    follow_address();
}

start();
