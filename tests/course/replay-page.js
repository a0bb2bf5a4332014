// replay-page -- drives the replay page in Chromium, as a reader would
//
// usage: node replay-page.js RECORDINGS PAGE PROFILE
//
// PAGE was built from the folder RECORDINGS; the environment's CHROMIUM is the
// command of the browser. Prints a line for each check,
// "ok NAME" or "not ok NAME: WHY". Speaks the DevTools protocol over pipes: each
// message is JSON and ends with a NUL. With SHOTS=DIR it leaves pictures there.
'use strict';
const assert = require('assert/strict');
const fs = require('fs');
const path = require('path');
const {execFileSync, spawn} = require('child_process');
const {fileURLToPath} = require('url');

const [folder, page, profile] = process.argv.slice(2);
const PAGE = `file://${encodeURI(path.resolve(page))}`;
const ODD_PAGE = PAGE.replace(/\.html$/, '-odd.html');

// ---- the browser

const browser = spawn(process.env.CHROMIUM, ['--headless=new', '--no-sandbox',
    '--disable-gpu', '--no-first-run', '--remote-debugging-pipe',
    `--user-data-dir=${profile}`, 'about:blank'],
{stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});
const waiting = new Map(); // id of a message -> what its answer resolves
const complaints = [];     // of the page: errors, and anything it loads
let session, ids = 0, heard = '';

browser.on('exit', () => {
    console.log('not ok browser: it ended before the last check');
    process.exit(1);
});
browser.stdio[4].setEncoding('utf8').on('data', (data) => {
    const parts = (heard + data).split('\0');
    heard = parts.pop();
    for (const {id, method, params, result, error} of parts.map(JSON.parse)) {
        if (id) {
            const {resolve, reject} = waiting.get(id);
            error ? reject(new Error(error.message)) : resolve(result);
        } else if (method === 'Runtime.exceptionThrown') {
            complaints.push(params.exceptionDetails.exception?.description ??
                params.exceptionDetails.text);
        } else if (method === 'Runtime.consoleAPICalled' ||
            method === 'Log.entryAdded') {
            complaints.push(JSON.stringify(params));
        } else if (method === 'Network.requestWillBeSent' &&
            !params.request.url.startsWith(PAGE.slice(0, -5))) {
            complaints.push(`loads ${params.request.url}`);
        }
    }
});

function send(method, params = {})
{
    const id = ++ids;
    browser.stdio[3].write(JSON.stringify({id, method, params,
        sessionId: session}) + '\0');
    return new Promise((resolve, reject) => waiting.set(id, {resolve, reject}));
}

// Calls a function in the page, and returns what it returns.
async function inside(what, ...args)
{
    const {result, exceptionDetails} = await send('Runtime.evaluate', {
        expression: `(${what})(...${JSON.stringify(args)})`,
        returnByValue: true, awaitPromise: true});
    if (exceptionDetails)
        throw new Error(exceptionDetails.exception.description);
    return result.value;
}

const SHIFT = 8;
const CODES = {ArrowRight: 39, ArrowLeft: 37, Home: 36, End: 35, Escape: 27,
    Tab: 9, Enter: 13, ' ': 32};

async function press(key, modifiers = 0)
{
    const about = {key, modifiers, windowsVirtualKeyCode: CODES[key] ??
        key.toUpperCase().charCodeAt(0)};
    const text = key.length === 1 ? key : undefined;
    await send('Input.dispatchKeyEvent', {type: 'keyDown', ...about, text});
    await send('Input.dispatchKeyEvent', {type: 'keyUp', ...about});
}

async function click(x, y)
{
    for (const type of ['mousePressed', 'mouseReleased']) {
        await send('Input.dispatchMouseEvent',
            {type, x, y, button: 'left', clickCount: 1});
    }
}

// Reloads the page at an address.
async function load(hash, page = PAGE)
{
    await send('Page.navigate', {url: 'about:blank'});
    await until(() => location.href === 'about:blank');
    await send('Page.navigate', {url: `${page}#${hash}`});
    await until(() => document.readyState === 'complete' &&
        document.querySelector('.now'));
}

// Loads a page with nothing but this recording.
async function load_odd(recording)
{
    const dir = path.join(profile, 'odd');
    fs.mkdirSync(dir, {recursive: true});
    fs.writeFileSync(path.join(dir, 'odd.json'), JSON.stringify({format: 1,
        id: 'odd', stage: 'mine', scenario: 'odd', ...recording}));
    execFileSync(path.join(__dirname, '../../docs/replay/build'),
        [dir, fileURLToPath(ODD_PAGE)]);
    await load('', ODD_PAGE);
}

// Has the page follow an address, as after a click on a link.
const visit = (hash) => inside((hash) => {
    history.replaceState(null, '', `#${hash}`);
    dispatchEvent(new HashChangeEvent('hashchange'));
}, hash);

// Waits until a condition in the page holds.
async function until(what, ...args)
{
    for (let n = 0; n < 500; n++) {
        if (await inside(what, ...args).catch(() => false))
            return;
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`never: ${what}`);
}

const address = (hash) => until((h) => location.hash === h, hash);

async function shot(name)
{
    if (!process.env.SHOTS)
        return;
    await inside(() => new Promise((resolve) => setTimeout(resolve, 500)));
    const {data} = await send('Page.captureScreenshot');
    fs.writeFileSync(path.join(process.env.SHOTS, `${name}.png`), data, 'base64');
}

function screen(width, height)
{
    return send('Emulation.setDeviceMetricsOverride',
        {width, height, deviceScaleFactor: 1, mobile: width < 500});
}

function media(name, value)
{
    return send('Emulation.setEmulatedMedia', {features: [{name, value}]});
}

// ---- what the recordings say, and what the page shows

// Changes a document as RFC 7396 says.
function patch(doc, changes)
{
    for (const key in changes) {
        const change = changes[key];
        if (change === null)
            delete doc[key];
        else if (typeof change !== 'object' || Array.isArray(change))
            doc[key] = change;
        else
            doc[key] = patch(doc[key] instanceof Object ? doc[key] : {}, change);
    }
    return doc;
}

const recordings = {};
for (const name of fs.readdirSync(folder).filter((f) => f.endsWith('.json'))) {
    const rec = JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8'));
    rec.states = [JSON.stringify(rec.start)];
    const now = structuredClone(rec.start);
    for (const step of rec.steps)
        rec.states.push(JSON.stringify(patch(now, step)));
    rec.states = rec.states.map((text) => JSON.parse(text));
    recordings[rec.id] = rec;
}

// A field of a connection; its value without the field's name before it.
const short = (field, value) => field === value?.split('_')[0].toLowerCase()
    ? value.slice(field.length + 1) : value;

// What the page makes of each step, without the backticks of code; from main().
let told;

// The sentences for a step: the recorder's, or else the page's, and what it means.
function sentence(rec, n)
{
    const {now, means} = rec.states[n], said = now || told[rec.id][n];
    return means ? `${said.replace(/"$/, '".')} ${means}` : said;
}

// What a buffer holds: bytes, and a FIN, which the kernel counts as one more.
function held(end, way)
{
    const n = end?.[way] ?? 0, fin = n > 0 && {
        recv: ['CLOSE_WAIT', 'CLOSING', 'LAST_ACK'],
        send: ['FIN_WAIT1', 'CLOSING', 'LAST_ACK']}[way].includes(end.state);
    return [fin ? n - 1 : n, fin];
}

function bytes([n, fin])
{
    return (n || !fin ? `${n.toLocaleString('en-US')} B` : '') +
        (n && fin ? ' +FIN' : fin ? 'FIN' : '');
}

// What the bars of a connection say of a step: what comes and what goes, if both
// move the figure, or else by how much it has changed.
function movements(state, before, name)
{
    const now = state.sockets?.[name], was = before.sockets?.[name];
    const diff = (side, way) => held(now?.[side], way)[0] -
        held(was?.[side], way)[0];
    const by = (key) => (state.clients[name]?.[key] ?? 0) -
        (before.clients[name]?.[key] ?? 0);
    const up = by('sent') - diff('client', 'send');
    const down = by('got') + diff('client', 'recv');
    return [['client', 'send', by('sent'), up], ['client', 'recv', down, by('got')],
        ['server', 'recv', up, up - diff('server', 'recv')],
        ['server', 'send', down + diff('server', 'send'), down]]
        .flatMap(([side, way, comes, goes]) =>
            !now?.[side] || diff(side, way) === 0 ? []
                : comes > 0 && goes > 0 ? [comes, -goes] : [diff(side, way)]);
}

// What the page should show of step n, in the form of `seen`.
function expected(rec, n)
{
    const state = rec.states[n], before = rec.states[Math.max(n - 1, 0)];
    const was = before.processes[state.process] ?? {};
    const it = state.processes[state.process];
    const sockets = state.sockets ?? {};
    const names = [...new Set([...rec.clients, ...Object.keys(sockets)])]
        .filter((name) => name !== 'listen');
    const fields = Object.keys(Object.assign({},
        ...(it.conns ?? []).map((c) => c.fields)));
    return {
        now: sentence(rec, n),
        moment: Object.keys(rec.moments).filter((name) => rec.moments[name] === n)
            .map((name) => name.replaceAll('-', ' ').toLowerCase()),
        line: it.state === 'exited' || !rec.files[it.file] ? '' : String(it.line),
        asleep: it.state !== 'blocked' ? '' : `sleeps in ${it.in}`,
        where: (it.stack ?? []).join(' › '),
        locals: Object.entries(it.locals ?? {}),
        globals: Object.entries(it.globals ?? {}),
        conns: (it.conns ?? []).length === 0 ? [] : [['', ...it.conns.map((c) =>
            c.name)], ['fd', ...it.conns.map((c) => c.fd)],
        ...fields.map((f) => [f, ...it.conns.map((c) => short(f, c.fields?.[f]))]),
        ...'pending' in it.conns[0] ? [['pending', ...it.conns.map((c) =>
            String(c.pending))]] : []],
        changed: String(it.stack) !== String(was.stack) ? [] : Object.entries(
            it.locals ?? {}).filter(([k, v]) => was.locals[k] !== v)
            .map(([, value]) => value),
        more: names.flatMap((name) => movements(state, before, name)),
        queue: sockets.listen?.queue ?? 0,
        buffers: names.flatMap((name) => {
            const {client, server} = sockets[name] ?? {};
            return [...client ? [held(client, 'send'), held(client, 'recv')] : [],
                ...server ? [held(server, 'recv'), held(server, 'send')] : []].map(bytes);
        }),
        wires: Object.values(state.processes).flatMap((p) =>
            Object.entries(p.fds ?? {}).filter(([, what]) => what in sockets)
                .map(([fd]) => fd)).sort(),
        asleepIn: Object.entries(state.processes).filter(([id, p]) =>
            id === state.process || p.state !== 'exited')
            .map(([, p]) => p.in ?? ''),
    };
}

// What a pane of the page shows (this runs in the page).
function seen(k = 0)
{
    const pane = document.querySelectorAll('.pane')[k];
    const texts = (selector, root = pane) =>
        [...root.querySelectorAll(selector)].map((e) => e.textContent.trim());
    const value = (td) => td.textContent.split(' → ').pop().trim();
    const rows = (kind) => [...pane.querySelectorAll(`.variables ${kind} tr`)]
        .map((tr) => [...tr.children].map(value));
    return {
        now: pane.querySelector('.now').lastChild.textContent.trim(),
        moment: texts('.moment.exact').map((t) => t.slice(7).toLowerCase()),
        line: texts('.l.here > i')[0] ?? '',
        asleep: texts('.l.here.sleeps .tag').pop() ?? '',
        where: texts('.view.active .where, .view:only-child .where')[0],
        locals: rows('.locals'),
        globals: rows('.globals'),
        conns: rows('.conns'),
        changed: [...pane.querySelectorAll('.locals td.changed')].map(value),
        more: texts('.tube em span').map((text) =>
            Number(text.replace('−', '-').replace(/,/g, ''))),
        queue: texts('.queue b').length,
        buffers: texts('.buffer b'),
        wires: texts('.fd b').sort(),
        asleepIn: [...pane.querySelectorAll('.process')].map((e) =>
            e.querySelector('code')?.textContent ?? ''),
    };
}

const at = () => inside(() => parseInt(document.getElementById('count')
    .textContent, 10));
const button = (move, by) => inside((selector) => document
    .querySelector(selector).click(), `[data-move=${move}][data-by="${by}"]`);

// Presses a button until the end, or the start; returns all it saw, as pairs of
// a step and what it shows.
const walk = (move, by) => inside(`(move, by) => {
    const seen = ${seen};
    const button = document.querySelector(
        \`[data-move=\${move}][data-by="\${by}"]\`);
    const count = document.getElementById('count');
    const all = [[parseInt(count.textContent, 10), seen()]];
    while (button.getAttribute('aria-disabled') !== 'true') {
        button.click();
        const n = parseInt(count.textContent, 10);
        if (n === all.at(-1)[0])
            throw new Error('stuck at step ' + n);
        all.push([n, seen()]);
    }
    return all;
}`, move, by);

// ---- the checks

const checks = {
    async first_sight()
    {
        await load('');
        const step = recordings['01-silent'].states
            .findIndex((s) => s.kind === 'blocked');
        assert.deepEqual(await inside(seen),
            expected(recordings['01-silent'], step));
        assert.match(await inside(() => document.getElementById('intro')
            .innerText), /A real TCP server in C.*The first client/s);
        const main = await inside(() => [...document.querySelectorAll(
            '#controls .main button')].map((b) => b.textContent.trim()));
        assert.match(main[1], /^Start/);
        await shot('first');
    },

    async forth_and_back()
    {
        const {states} = recordings['02-silent'];
        await visit('02-silent/0');
        const forth = await walk('step', 1), back = await walk('step', -1);
        states.forEach((_, n) => assert.deepEqual(forth[n],
            [n, expected(recordings['02-silent'], n)], `02-silent/${n}`));
        assert.equal(forth.length, states.length);
        assert.deepEqual(back.reverse(), forth);
        // Here the lines change connections as well.
        const rec = recordings['05-half-close'];
        await visit(`${rec.id}/0`);
        const all = await walk('step', 1);
        all.forEach(([n, shown]) => assert.deepEqual(shown, expected(rec, n),
            `${rec.id}/${n}`));
        assert.equal(all.length, rec.states.length);
    },

    // Each published recording, where a client acts and at both ends.
    async every_recording()
    {
        for (const rec of Object.values(recordings)) {
            await visit(`${rec.id}/0`);
            const all = await walk('client', 1);
            all.forEach(([n, shown]) => assert.deepEqual(shown,
                expected(rec, n), `${rec.id}/${n}`));
            assert.equal(all.length, rec.states.filter((s, n) => n === 0 ||
                s.kind === 'client' || n === rec.states.length - 1).length);
        }
    },

    async keys()
    {
        const {states} = recordings['03-silent'];
        const next = (from, by, kind) => {
            do
                from += by;
            while (from > 0 && states[from].kind !== kind);
            return from;
        };
        await visit('03-silent/20');
        for (const [key, to] of [['ArrowRight', 21], ['ArrowRight', 22],
            ['ArrowLeft', 21], ['b', next(21, 1, 'blocked')],
            ['c', next(next(21, 1, 'blocked'), 1, 'client')],
            ['End', states.length - 1], ['ArrowRight', states.length - 1],
            ['Home', 0], ['ArrowLeft', 0]]) {
            await press(key);
            assert.equal(await at(), to, key);
        }
        await visit('03-silent/100');
        for (const [key, to] of [['ArrowRight', next(100, 1, 'call')],
            ['ArrowLeft', next(next(100, 1, 'call'), -1, 'call')]]) {
            await press(key, SHIFT);
            assert.equal(await at(), to, `Shift+${key}`);
        }
        const now = await at();
        await press('B', SHIFT);
        assert.equal(await at(), next(now, -1, 'blocked'), 'B');
        await press('?', SHIFT);
        assert.ok(await inside(() => document.querySelector('dialog').open));
        await press('ArrowRight');
        assert.equal(await at(), next(now, -1, 'blocked'), 'a key in the help');
        await shot('help');
        await press('Escape');
        assert.ok(!await inside(() => document.querySelector('dialog').open));
        // Each row of the help's table: forward, back.
        const rows = await inside(() => [...document.querySelectorAll(
            '#key-table tbody tr')].map((tr) => [...tr.querySelectorAll('kbd')]
            .map((kbd) => kbd.textContent)).filter((keys) => keys.length > 1));
        assert.equal(rows.length, 7);
        for (const row of rows) {
            for (const [n, name] of row.entries()) {
                await visit('03-silent/100');
                const key = {'→': 'ArrowRight', '←': 'ArrowLeft'}[name.at(-1)] ??
                    name.replace('Shift+', '');
                if (name.startsWith('Shift+'))
                    await press(key.length === 1 ? key.toUpperCase() : key, SHIFT);
                else
                    await press(key);
                assert.equal(Math.sign(await at() - 100), [1, -1][n], name);
            }
        }
        await press('2');
        await until(() => location.hash.startsWith('#02'));
    },

    async moves()
    {
        const {states} = recordings['01-silent'];
        const find = (from, by, kind) => {
            do
                from += by;
            while (states[from].kind !== kind);
            return from;
        };
        await visit('01-silent/40');
        for (const [move, kind] of [['call', 'call'], ['block', 'blocked'],
            ['client', 'client']]) {
            for (const by of [1, -1]) {
                const from = await at();
                await button(move, by);
                assert.equal(await at(), find(from, by, kind), `${move} ${by}`);
            }
        }
    },

    async over()
    {
        for (const id of ['01-silent', '02-silent', '06-sigterm']) {
            const {states} = recordings[id], last = states.length - 1;
            const deep = ({process, processes}) => processes[process].stack.length;
            let over = 0;
            for (let n = 0; n < last; n += 3) {
                const after = states.findIndex((s, m) => m > n &&
                    !['client', 'outside'].includes(s.kind) &&
                    s.process === states[n].process && deep(s) <= deep(states[n]));
                over += after > n + 1;
                await visit(`${id}/${n}`);
                await button('over', 1);
                assert.equal(await at(), after < 0 ? last : after, `${id}/${n}`);
            }
            assert.ok(over > 2, `${id}: over ${over}`);
        }
        const {states} = recordings['01-silent'];
        const before = states.findIndex(({processes}, n) =>
            states[n + 1].processes.p1.stack.length > processes.p1.stack.length);
        await visit(`01-silent/${before}`);
        await button('over', 1);
        await button('over', -1);
        assert.equal(await at(), before);
    },

    async scrubber()
    {
        await visit('03-silent/0');
        const box = await inside(() => document.getElementById('scrubber')
            .getBoundingClientRect().toJSON());
        await click(box.left + box.width / 2, box.top + box.height / 2);
        const middle = await at(), {states} = recordings['03-silent'];
        assert.ok(middle > 50 && middle < states.length - 50, `at ${middle}`);
        assert.deepEqual(await inside(seen),
            expected(recordings['03-silent'], middle));
        // Where a step puts it, it leads to that step.
        assert.deepEqual(await inside(() => {
            const scrubber = document.getElementById('scrubber');
            const wrong = [];
            for (let n = 0; n < 60; n++) {
                history.replaceState(null, '', `#03-silent/${n}`);
                dispatchEvent(new HashChangeEvent('hashchange'));
                const {value} = scrubber;
                scrubber.value = value;
                scrubber.dispatchEvent(new Event('input'));
                if (!document.title.endsWith(`step ${n}`))
                    wrong.push(n);
            }
            return wrong;
        }), []);
        await click(box.right - 2, box.top + box.height / 2);
        assert.equal(await at(), states.length - 1);
        // With the focus on it the keys mean the same as elsewhere.
        await press('ArrowLeft');
        assert.equal(await at(), states.length - 2);
    },

    async links()
    {
        const [rec] = Object.values(recordings)
            .filter((r) => Object.keys(r.moments ?? {}).length > 0);
        const [[moment, step]] = Object.entries(rec.moments);
        await load(`${rec.id}/${moment}`);
        assert.equal(await at(), step);
        await press('ArrowLeft');
        await address(`#${rec.id}/${step - 1}`);
        await visit(`${rec.id}/${moment}`);
        await press('Home');
        await press(']');
        assert.equal(await at(), Math.min(...Object.values(rec.moments)));
        // A link counts, also when the address is about to follow a step: both
        // are due at once here, the link first.
        await inside(() => {
            setTimeout(() => { location.hash = '#03-silent/57'; }, 100);
            document.querySelector('[data-move=step]').click();
            for (const start = Date.now(); Date.now() < start + 150;);
        });
        await until(() => document.title === 'Replay 03-silent, step 57');
        assert.equal((await inside(seen)).now,
            sentence(recordings['03-silent'], 57));
        const last = recordings['03-silent'].steps.length;
        const first = recordings['01-silent'].states
            .findIndex((s) => s.kind === 'blocked');
        for (const [odd, title] of [['', `01-silent, step ${first}`],
            ['nothing/3', '01-silent, step 3'],
            ['03-silent/no-such-moment', '03-silent, step 0'],
            ['%E0%A4%A', '01-silent, step 0'], ['+/', '01-silent, step 0'],
            ['03-silent/99999', `03-silent, step ${last}`],
            ['03-silent/-4', '03-silent, step 0']]) {
            await visit(odd);
            assert.equal(await inside(() => document.title), `Replay ${title}`);
        }
    },

    async side_by_side()
    {
        const ids = ['01-silent', '03-silent'];
        await visit(`${ids.join('+')}/0`);
        const shown = [(await inside(seen, 0)).now];
        const acts = ids.map(() => new Set());
        for (;;) {
            const from = await at();
            await press('c');
            if (await at() === from)
                break;
            const panes = await inside(`() => [0, 1].map(${seen})`);
            panes.forEach(({now}, k) => acts[k].add(now));
            shown.push(panes.map((pane) => pane.now));
        }
        assert.match(await inside(() => document.getElementById('intro')
            .innerText), /^Both meet wherever a client does the same/);
        ids.forEach((id, k) => recordings[id].states.forEach(({kind}, n) =>
            assert.ok(kind !== 'client' || acts[k].has(sentence(recordings[id], n)),
                `${id}/${n}`)));
        assert.ok(shown.some(([a, b]) => a === b), 'they never meet');
        // At the end both have arrived at their last step, and at the start too.
        for (const [key, end] of [['End', -1], ['Home', 0]]) {
            await press(key);
            for (const [k, id] of ids.entries()) {
                assert.deepEqual(await inside(seen, k), expected(recordings[id],
                    end && recordings[id].steps.length));
            }
        }
        await visit('01-silent+03-silent/b-waits');
        await shot('beside');
        await visit('01-silent/b-waits');
        await inside(() => {
            const select = document.getElementById('beside');
            select.value = '03-silent';
            select.dispatchEvent(new Event('change'));
        });
        await until(() => /^#01-silent\+03-silent/.test(location.hash));
        assert.deepEqual(await inside(seen), expected(recordings['01-silent'],
            recordings['01-silent'].moments['b-waits']));
    },

    // The lines without a mark are the same in both, in the same order.
    async diff()
    {
        await visit('03-silent+04-silent/0');
        const sides = await inside(() => [0, 1].map((k) => [...document
            .querySelectorAll('.pane')[k].querySelectorAll('.l')].map((row) =>
            [row.querySelector('code').textContent,
                row.classList.contains('only')])));
        const same = sides.map((side) => side.filter(([, only]) => !only)
            .map(([text]) => text));
        assert.deepEqual(same[0], same[1]);
        const only = sides.map((side) => side.filter(([, o]) => o).length);
        assert.ok(same[0].length > 200 && only[0] > 0 && only[1] > 0);
        assert.ok(only[0] + only[1] < 200, `${only} lines differ`);
        // The older stage has the minus, on whichever side it stands.
        const signs = () => inside(() => [...document.querySelectorAll('.pane')]
            .map((pane) => getComputedStyle(pane.querySelector('.only > i') ??
                pane, '::before').content));
        assert.deepEqual(await signs(), ['"−"', '"+"']);
        const intro = () => inside(() => document.getElementById('intro').innerText);
        assert.match(await intro(), /− and [+] mark the lines/);
        await visit('04-silent+03-silent/0');
        assert.deepEqual(await signs(), ['"+"', '"−"']);
        // Where most lines differ none is marked, and nothing says so.
        await visit('01-silent+06-silent/0');
        assert.deepEqual(await signs(), ['none', 'none']);
        assert.doesNotMatch(await intro(), /−/);
    },

    async two_processes()
    {
        const rec = recordings['02-silent'];
        const step = rec.states.findIndex((s) => Object.values(s.processes)
            .filter((p) => p.state === 'blocked').length > 1);
        await visit(`02-silent/${step}`);
        const views = await inside(() => [...document.querySelectorAll('.view')]
            .map((v) => [v.querySelector('.whose').textContent,
                v.querySelector('.l.at > i').textContent]));
        const live = Object.values(rec.states[step].processes)
            .filter((p) => p.state !== 'exited');
        assert.ok(live.length > 1);
        assert.deepEqual(views.map(([, line]) => line),
            live.map((p) => String(p.line)));
        views.forEach(([name], n) => assert.ok(name.startsWith(live[n].name)));
        await shot('two-processes');
        // However many there are, one sees the line of each.
        for (const [hash, n] of [['02-silent/two-processes', 2], ['02-silent/b-sends', 3],
            ['06-workers/all-sleep', 3], ['06-workers/too-late', 3]]) {
            await load(hash);
            assert.deepEqual(await inside(() => [...document.querySelectorAll('.view')]
                .map((view) => {
                    const [row, code] = ['.l.at', '.code'].map((selector) =>
                        view.querySelector(selector).getBoundingClientRect());
                    return row.top >= code.top && row.bottom <= code.bottom;
                })), Array(n).fill(true), hash);
            await shot(hash.replace('/', '-'));
        }
    },

    // What select is asked for, its caller's variables tell as well; epoll was
    // told of each socket.
    async watched()
    {
        const wires = () => inside(() => [...document.querySelectorAll('.fd b')]
            .map((b) => [b.textContent, b.nextElementSibling?.textContent ?? null,
                b.classList.contains('watched')]));
        await visit('04-descriptors/paused');
        assert.deepEqual(await wires(), [['3', 'paused', false], ['4', 'IN', true]]);
        await visit('03-stalled/interest-changes');
        assert.deepEqual(await wires(), [['3', 'IN', true], ['4', 'OUT', true]]);
        await visit('05-silent/both-ready');
        assert.deepEqual((await wires()).map((wire) => wire[2]), [true, true, true]);
        await press('ArrowRight', SHIFT); // to the system call: it's awake
        assert.deepEqual((await wires()).map((wire) => wire[2]), [false, false, false]);
        for (const [id, how] of [['03-silent', ({locals}, fd) =>
            locals.readable.includes(fd)], ['05-silent', () => true]]) {
            const {states} = recordings[id];
            await visit(`${id}/0`);
            for (const n of states.keys()) {
                if (states[n].kind !== 'blocked')
                    continue;
                await press('b');
                assert.equal(await at(), n);
                for (const [fd, events, sleeps] of await wires()) {
                    const yes = how(states[n].processes.p1, fd);
                    assert.deepEqual([events, sleeps],
                        yes ? ['IN', true] : [null, false], `${id}/${n}: ${fd}`);
                }
            }
        }
    },

    // What is marked as ready is what the wait then returns, and while nothing is
    // ready the server sleeps on.
    async ready()
    {
        const shown = () => inside(() => [...document.querySelectorAll('.ready')]
            .filter((e) => e.closest('.fd')).map((e) => e.closest('.fd')
                .querySelector('b').textContent).sort());
        for (const rec of ['03-stalled', '04-descriptors', '05-half-close',
            '06-idle', '06-stale'].map((id) => recordings[id])) {
            for (const [n, {kind, call}] of rec.states.entries()) {
                const [, list] = /^(?:select|poll|epoll_wait)[(].* = [0-9]+ [{](.*)[}]/
                    .exec(call?.text) ?? [];
                const sockets = rec.states[n].processes.p1.fds;
                const fds = (list ?? '').match(/[0-9]+(?=: )/g)
                    ?.filter((fd) => sockets[fd] in rec.states[n].sockets).sort();
                if (kind === 'blocked' || fds?.length > 0) {
                    await visit(`${rec.id}/${kind === 'blocked' ? n : n - 1}`);
                    const it = rec.states[n - 1].processes.p1;
                    if (kind === 'blocked' || it.state === 'blocked')
                        assert.deepEqual(await shown(), fds ?? [], `${rec.id}/${n}`);
                }
            }
        }
    },

    // A buffer is marked from the moment that is named after it, not before.
    async full()
    {
        const marked = () => inside(() => [...document.querySelectorAll('.buffer')]
            .filter((b) => b.querySelector('.tube strong')?.textContent === 'full')
            .map((b) => (b.closest('.end').previousElementSibling
                .matches('.arrows') ? 'server ' : 'client ') +
                b.querySelector('span').textContent));
        const kinds = {'a-receive-full': 'client receive',
            'server-send-full': 'server send',
            'server-receive-full': 'server receive', 'a-send-full': 'client send'};
        for (const rec of Object.values(recordings)) {
            if (rec.scenario === 'silent') {
                await visit(`${rec.id}/0`);
                assert.ok((await walk('client', 1)).length > 2);
                assert.deepEqual(await marked(), []);
            }
            const all = [];
            for (const [moment, buffer] of Object.entries(kinds)) {
                const n = rec.moments[moment];
                if (n === undefined)
                    continue;
                await visit(`${rec.id}/${n - 1}`);
                assert.deepEqual(await marked(), ['client send', 'client receive',
                    'server receive', 'server send'].filter((b) =>
                    all.includes(b)), `${rec.id}/${n - 1}`);
                all.push(buffer);
                await visit(`${rec.id}/${n}`);
                assert.deepEqual((await marked()).sort(), [...all].sort(),
                    `${rec.id}/${n}`);
            }
        }
        // A FIN that is under way is no byte. One may sleep in send, too.
        await load_odd({clients: ['A'], start: {now: 'x', kind: 'line', process: 'p1',
            processes: {p1: {fds: {4: 'A'}}}, sockets: {A: {server: {state: 'LAST_ACK',
                recv: 0, send: 1}, client: {state: 'CLOSE_WAIT', recv: 3, send: 0}}}},
        steps: [{kind: 'blocked', processes: {p1: {state: 'blocked', in: 'send',
            watches: {4: ''}}}}]});
        assert.deepEqual(await marked(), ['server send']);
        await press('Home');
        assert.deepEqual(await marked(), []);
        await load('03-stalled/drained');
        assert.deepEqual(await marked(), []);
        await visit('03-stalled/a-send-full');
        assert.deepEqual(await inside(() => [...document.querySelectorAll(
            '.kernel .tube > i')].map((e) => e.style.width)), Array(4).fill('100%'));
    },

    // A FIN is no byte: it's told from the bytes before it, and moves no bar.
    async fin()
    {
        const {states, moments} = recordings['06-sigterm'];
        await visit(`06-sigterm/${moments.answered - 1}`);
        assert.deepEqual((await inside(seen)).buffers, ['0 B', '5 B +FIN', '0 B', '0 B']);
        await visit(`06-sigterm/${states.findIndex(({call}) => call?.name === 'shutdown')}`);
        assert.deepEqual((await inside(seen)).more, []);
        await visit(`01-silent/${recordings['01-silent'].states
            .findIndex((s) => s.clients.A.state === 'closed')}`);
        assert.ok((await inside(seen)).buffers.includes('FIN'));
        assert.match(await inside(() => [...document.querySelectorAll('.end small')]
            .find((e) => e.textContent === 'CLOSE_WAIT').title), /has sent its FIN/);
    },

    // A call that a signal has interrupted is told at its own line, not at the
    // last one of the signal's handler.
    async interrupted()
    {
        for (const [hash, call] of [['02-silent/eintr', 'accept'],
            ['06-sigterm/eintr', 'poller_wait']]) {
            await load(hash);
            const [code, tag] = await inside(() => ['code', '.tag'].map((part) =>
                document.querySelector(`.ran > ${part}`).textContent));
            assert.ok(code.includes(`${call}(`) && tag.endsWith('-1 EINTR'), `${code} ${tag}`);
        }
    },

    // One that sleeps on a pipe has its ring, and what is in it is ready.
    async pipe()
    {
        const {states, moments} = recordings['06-sigterm'];
        const pipe = () => inside(() => [...document.querySelectorAll('.other')]
            .filter((e) => /read end/.test(e.textContent)).flatMap((e) =>
                [!!e.querySelector('.watched'), e.querySelector('small')?.className]));
        const woken = states.findIndex(({call}, n) => n > moments.eintr && call);
        for (const [n, shown] of [[moments.signal, [true, '']],
            [moments.eintr, [false, 'ready']], [woken - 1, [false, 'ready']],
            [moments.callback, [false, '']]]) {
            await visit(`06-sigterm/${n}`);
            assert.deepEqual(await pipe(), shown, `06-sigterm/${n}`);
        }
    },

    // A process that has ended still stands at its last line.
    async exited()
    {
        await load('02-silent/child-ends');
        const {states, moments} = recordings['02-silent'];
        const {line} = states[moments['child-ends']].processes.p2;
        assert.deepEqual(await inside(() => {
            const row = document.querySelector('.active .at');
            const [a, b] = [row, row.parentElement].map((e) => e.getBoundingClientRect());
            return [row.querySelector('i').textContent, row.querySelector('.tag').textContent,
                a.top >= b.top && a.bottom <= b.bottom];
        }), [String(line), 'has exited', true]);
    },

    // On a small window as well, the help opens at its title.
    async help()
    {
        await screen(400, 800);
        await press('?', SHIFT);
        assert.ok(await inside(() => document.getElementById('keys-title')
            .getBoundingClientRect().top >= 0 && document.getElementById('keys').scrollTop === 0));
        await shot('help-narrow');
        await press('Escape');
        await screen(1280, 800);
    },

    // Side by side too, each process has its own name, the line that has run is
    // in sight, and no choice is cut.
    async beside()
    {
        await visit('01-silent+02-silent/0');
        const {names, hidden} = await inside(() => {
            const hidden = [], on = document.querySelector('[data-move=step][data-by="1"]');
            for (let n = 0; n < 80; n++, on.click()) {
                for (const tag of document.querySelectorAll('.ran > .tag')) {
                    const code = tag.closest('.code'), ran = tag.closest('.l');
                    const [a, b, c] = [ran, code, code.querySelector('.at')]
                        .map((e) => e.getBoundingClientRect());
                    if (c.bottom - a.top < b.height && c.bottom > a.top &&
                        (a.top < b.top - 1 || c.bottom > b.bottom + 1))
                        hidden.push(`${n}: ${tag.textContent}`);
                }
            }
            return {hidden, names: [...document.querySelectorAll('.who')]
                .map((e) => e.scrollWidth > e.clientWidth ? 'cut' : e.textContent)};
        });
        assert.deepEqual(names, ['moments', 'A', 'B', '01 server', '02 server',
            '02 for A', '02 for B', '', 'step']);
        assert.deepEqual(hidden, []);
        assert.deepEqual(await inside(() => [...recordings.values()].flatMap((rec) =>
            [['scenario', rec.title], ['beside', rec.stage]]).filter(([id, text]) => {
            const span = document.createElement('span'), select = document.getElementById(id);
            span.textContent = text;
            select.before(span);
            const cut = span.offsetWidth > select.clientWidth - 30;
            span.remove();
            return cut;
        })), []);
    },

    // Once a client has closed its socket, no wire leads to it.
    async closed()
    {
        const {states} = recordings['03-silent'];
        const n = states.findIndex((s) => s.clients.A.state === 'closed');
        assert.ok(states[n].sockets.A?.client);
        for (const [step, wires] of [[n - 1, 2], [n, 1]]) {
            await visit(`03-silent/${step}`);
            assert.equal(await inside(() =>
                document.querySelectorAll('.peer.wired').length), wires);
        }
    },

    // The list of phases stays when the server is between two.
    async phases()
    {
        const {states} = recordings['06-idle'];
        await visit('06-idle/0');
        for (const [n] of (await walk('over', 1))) {
            await visit(`06-idle/${n}`);
            assert.deepEqual(await inside(() => [...document.querySelectorAll(
                '.phases > *')].map((e) => e.textContent)),
            ['timers', 'wait', 'I/O', 'tasks'].map((phase) =>
                states[n].processes.p1.phase === phase ? `▸ ${phase}` : phase));
        }
    },

    // Every moment has its whole name in the timeline; no label is cut, leaves
    // the page or covers another.
    async labels()
    {
        const ids = Object.keys(recordings);
        for (const width of [1280, 900, 390]) {
            await screen(width, 860);
            for (const id of [...width === 1280 ? ids : ['02-silent', '03-stalled',
                '06-stale'], '01-silent+02-silent', '03-stalled+04-stalled']) {
                await visit(`${id}/0`);
                const {names, titles} = await inside(() => {
                    const marks = [...document.querySelectorAll('.moments .mark')];
                    return {names: marks.map((e) => e.textContent.toLowerCase()),
                        titles: marks.map((e) => e.title)};
                });
                assert.deepEqual(await inside(messy), [], `${id} at ${width}`);
                if (width === 1280 && !id.includes('+')) {
                    const {moments} = recordings[id];
                    assert.deepEqual(names, Object.keys(moments)
                        .sort((a, b) => moments[a] - moments[b])
                        .map((name) => name.replaceAll('-', ' ')), id);
                }
                // Side by side, it says whose moment it is.
                if (width === 1280 && id === '01-silent+02-silent') {
                    for (const name of ['01: b served', '02: b served', '01: b waits'])
                        assert.ok(names.includes(name), `${names} have ${name}`);
                    for (const title of ['01: moment b-served', 'moment both-ready'])
                        assert.ok(titles.includes(title), `${titles} have ${title}`);
                }
            }
        }
        // And not after the window has changed its size, either.
        await screen(1280, 860);
        await visit('03-stalled/0');
        await screen(910, 860);
        await until(`() => innerWidth === 910 && (${messy})().length === 0`);
        await screen(1280, 800);
    },

    // What a call returned or a line changed covers no code, and isn't cut.
    async tags()
    {
        for (const [width, height, query, hash] of [[1280, 800, '', '03-stalled'],
            [390, 844, '', '05-silent'], [670, 580, '?embed', '02-silent']]) {
            await screen(width, height);
            await load(`${hash}/0`, `${PAGE}${query}`);
            const {tags, wrong} = await inside(() => {
                const wrong = [], on = document.querySelector('[data-move=step][data-by="1"]');
                let tags = 0;
                for (let n = 0; n < 80; n++, on.click()) {
                    for (const tag of document.querySelectorAll('.tag')) {
                        const a = tag.getBoundingClientRect();
                        const row = tag.closest('.l'), code = row.parentElement;
                        const lines = [row.previousElementSibling, row,
                            row.nextElementSibling].filter(Boolean).map((l) => {
                            const range = document.createRange();
                            range.selectNodeContents(l.querySelector('code'));
                            return range.getBoundingClientRect();
                        });
                        tags++;
                        if (lines.some((b) => a.left < b.right && b.left < a.right &&
                            a.top < b.bottom - 2 && b.top < a.bottom - 2) ||
                            a.right > code.getBoundingClientRect().right)
                            wrong.push(`${n}: ${tag.textContent}`);
                    }
                }
                return {tags, wrong};
            });
            assert.ok(tags > 10, `${tags} tags`);
            assert.deepEqual(wrong, [], `at ${width}`);
        }
        await screen(1280, 800);
        await load('');
    },

    // No word in the drawing leaves its box, and none meets a descriptor or a wire.
    async drawing()
    {
        for (const [width, height, query] of [[1280, 800, ''], [1400, 900, ''],
            [390, 844, ''], [670, 580, '?embed']]) {
            await screen(width, height);
            await load('', `${PAGE}${query}`);
            for (const hash of ['01-silent/b-waits', '02-silent/36',
                '02-silent/two-processes', '03-stalled/a-send-full',
                '06-descriptors/150', '06-sigterm/callback', '06-stale/three-ready',
                '06-workers/too-late', '06-workers/all-sleep', '02-half-close/fin', '05-half-close/server-fin',
                ...width === 1280 ? ['01-silent+02-silent/b-waits'] : []]) {
                await visit(hash);
                const wrong = await inside(() => {
                    const wrong = [], range = document.createRange();
                    for (const box of document.querySelectorAll(
                        '.kernel :is(.end, .process, .peer)')) {
                        const a = box.getBoundingClientRect();
                        const texts = document.createTreeWalker(box, NodeFilter.SHOW_TEXT);
                        while (texts.nextNode()) {
                            range.selectNodeContents(texts.currentNode);
                            const inTube = texts.currentNode.parentElement.closest('.tube');
                            for (const b of range.getClientRects()) {
                                const meets = [...document.querySelectorAll('.kernel .fd b')]
                                    .map((e) => e.getBoundingClientRect()).some((c) =>
                                        b.left < c.right && c.left < b.right &&
                                        b.top < c.bottom - 3 && c.top < b.bottom - 3) ||
                                    [...document.querySelectorAll('.kernel .fd.on')]
                                        .map((e) => e.getBoundingClientRect()).some((c) =>
                                            b.left < c.right && c.left < b.right &&
                                            b.top < (c.top + c.bottom) / 2 &&
                                            b.bottom > (c.top + c.bottom) / 2);
                                if (b.width > 0 && (meets || b.right > a.right + .5 ||
                                    b.left < a.left - .5 || !inTube && b.bottom > a.bottom))
                                    wrong.push(texts.currentNode.data.trim());
                            }
                        }
                    }
                    return wrong;
                });
                assert.deepEqual(wrong, [], `${hash} at ${width}`);
            }
        }
        await screen(1280, 800);
        await load('');
    },

    async themes()
    {
        const grounds = [];
        for (const scheme of ['light', 'dark']) {
            await media('prefers-color-scheme', scheme);
            grounds.push(await inside(() =>
                getComputedStyle(document.body).backgroundColor));
            for (const hash of ['03-stalled/a-send-full', '06-sigterm/signal',
                '06-sigterm/ends', '06-workers/too-late', '03-silent+04-silent/9',
                '03-silent/b-sends']) {
                await visit(hash);
                assert.deepEqual(await inside(faint), [], `${scheme}: ${hash}`);
            }
            await shot(scheme);
        }
        assert.notEqual(grounds[0], grounds[1]);
        await media('prefers-color-scheme', 'light');
    },

    async narrow()
    {
        await screen(390, 664);
        for (const hash of ['01-silent/b-waits', '02-silent/40', '06-workers/too-late',
            '03-silent+04-silent/99']) {
            await visit(hash);
            const {width, outside} = await inside(() => ({
                width: document.documentElement.scrollWidth,
                outside: [...document.querySelectorAll('#controls button')]
                    .filter((b) => {
                        const box = b.getBoundingClientRect();
                        return b.offsetParent && (box.bottom > innerHeight || box.right > innerWidth ||
                            box.left < 0 || box.height < 36);
                    }).map((b) => b.textContent.trim()),
            }));
            assert.equal(width, 390, hash);
            assert.deepEqual(outside, [], hash);
            // Caption, the line of each process, drawing: in the first screenful.
            const {tops, footer} = await inside(() => {
                const all = (selector) => [...document.querySelectorAll(selector)]
                    .map((e) => e.getBoundingClientRect());
                return {tops: [...all('.now, .l.at').flatMap((b) => [b.top, b.bottom]),
                    all('.kernel')[0].top], footer: all('footer')[0].top};
            });
            if (!hash.includes('+')) {
                assert.deepEqual(tops, tops.toSorted((a, b) => a - b), hash);
                assert.ok(tops.at(hash.includes('workers') ? -2 : -1) < footer - 20,
                    `${hash}: ${tops} ${footer}`);
            }
            await shot(`narrow-${hash.slice(0, 2)}`);
            // What runs is told below.
            await inside(() => scrollTo(0, document.body.scrollHeight));
            assert.ok(await inside(() => {
                const [a, b] = ['#intro', 'footer'].map((selector) =>
                    document.querySelector(selector).getBoundingClientRect());
                return a.height > 20 && a.bottom <= b.top + 1;
            }), hash);
            await shot(`narrow-${hash.slice(0, 2)}-below`);
        }
        await screen(1280, 800);
    },

    // In a frame of a chapter there's room for what one needs to step, no more.
    async embedded()
    {
        await screen(670, 580);
        await load('01-silent/b-waits', `${PAGE}?embed`);
        const {size, header, code, kernel, footer, whole} = await inside(() => {
            const box = (selector) => document.querySelector(selector)
                .getBoundingClientRect().toJSON(), root = document.documentElement;
            return {size: [root.scrollWidth, root.scrollHeight], header: box('header'),
                code: box('.code'), kernel: box('.side'), footer: box('footer'),
                whole: document.getElementById('whole').href};
        });
        assert.deepEqual([...size, footer.bottom, header.height], [670, 580, 580, 0]);
        for (const {height, bottom} of [code, kernel])
            assert.ok(height > 200 && bottom <= footer.top);
        assert.ok(code.right <= kernel.left);
        assert.ok(await inside(() => document.getElementById('whole').offsetParent));
        assert.ok(whole.startsWith(`${PAGE}#01-silent/`), whole);
        await shot('embedded');
        await screen(1280, 800);
        await load('');
    },

    async for_screen_readers()
    {
        const rec = recordings['01-silent'];
        const n = told[rec.id].findIndex((text) => / is false/.test(text));
        await visit(`01-silent/${n - 1}`);
        const live = () => inside(() =>
            document.querySelector('.now[aria-live=polite]').textContent);
        const first = await live();
        await press('ArrowRight');
        assert.notEqual(await live(), first);
        assert.ok((await live()).endsWith(sentence(rec, n)));
        assert.equal(await inside(() => document.getElementById('scrubber')
            .getAttribute('aria-valuetext')),
        `Step ${n} of ${rec.steps.length}: ${sentence(rec, n)}`);
        const nameless = await inside(() => [...document.querySelectorAll(
            'button, select, input, a, [role=region], [role=group]')]
            .filter((e) => !(e.getAttribute('aria-label') ?? e.labels?.[0]
                ?.textContent ?? (e.role ? '' : e.textContent)).trim())
            .map((e) => e.outerHTML));
        assert.deepEqual(nameless, []);
        assert.deepEqual(await inside(() => [...document.querySelectorAll(
            'body > :not(dialog, main) button:not([title])')]
            .map((e) => e.outerHTML)), []);
        // A keyboard reaches the controls, and sees where it is.
        await press('Tab');
        assert.notEqual(await inside(() =>
            getComputedStyle(document.activeElement).outlineStyle), 'none');
    },

    async playing()
    {
        const moving = () => inside(() => {
            document.querySelector('[data-move=client][data-by="1"]').click();
            return document.getAnimations().length;
        });
        for (const [motion, some] of [['no-preference', true], ['reduce', false]]) {
            await media('prefers-reduced-motion', motion);
            await visit('01-silent/b-waits');
            assert.equal(await moving() > 0, some, motion);
        }
        await load('01-silent/0');
        await press(' ');
        await until(() => parseInt(document.getElementById('count')
            .textContent, 10) >= 2);
        await press(' ');
        assert.match(await inside(() => document.getElementById('play')
            .textContent), /Play/);
    },

    // What the page says of a line is true, as far as the variables tell, and it
    // says something of nearly every one.
    async sentences()
    {
        let lines = 0, nothing = 0, tests = 0, changes = 0, returns = 0;
        const TEST = /(?:^|[.] )(\w+(?:->\w+)?) (==|!=|<|>|<=|>=) (-?\w+) is (true|false)/;
        const holds = {'==': (a, b) => a === b, '!=': (a, b) => a !== b,
            '<': (a, b) => Number(a) < Number(b), '>': (a, b) => Number(a) > Number(b),
            '<=': (a, b) => Number(a) <= Number(b), '>=': (a, b) => Number(a) >= Number(b)};
        for (const rec of Object.values(recordings)) {
            for (const [n, {kind, now, process, processes}] of rec.states.entries()) {
                if (kind !== 'line' || now)
                    continue;
                const said = told[rec.id][n], where = `${rec.id}/${n}: ${said}`;
                const old = rec.states[n - 1].processes[process];
                const it = processes[process];
                lines++;
                nothing += /^\w+ goes (on|back) to line [0-9]+[.]$/.test(said);
                assert.match(said, /^\S.*[.]$/, where);
                if (it.stack.length < old.stack.length) {
                    returns++;
                    assert.ok(said.includes(`${old.function} returns `), where);
                } else if (it.stack.length > old.stack.length) {
                    assert.ok(said.endsWith(`calls ${it.function}.`), where);
                } else {
                    for (const [name, value] of Object.entries(it.locals)) {
                        if (name in old.locals && old.locals[name] !== value) {
                            changes++;
                            assert.ok(said.includes(value === '""' ? `${name} points past`
                                : `${name} is ${value}`), where);
                        }
                    }
                }
                const of = it.stack.length < old.stack.length ? it : old;
                const known = {...of.globals, ...of.locals};
                for (const [name, value] of Object.entries(known)) {
                    const conn = of.conns.find((c) => c.name === value);
                    for (const field in conn?.fields)
                        known[`${name}->${field}`] = conn.fields[field];
                }
                const [, a, how, b, is] = TEST.exec(said) ?? [];
                const value = known[b] ?? b;
                if (a in known && (/^-?[0-9]+$/.test(value) ||
                    /^[!=]=$/.test(how) && /^(NULL|[A-Z]+_[A-Z_]+)$/.test(value))) {
                    tests++;
                    assert.equal(String(holds[how](known[a], value)), is, where);
                }
            }
        }
        assert.ok(nothing < lines / 40, `${nothing} of ${lines} say nothing`);
        assert.ok(tests > 500 && changes > 150 && returns > 500,
            `${tests} tests, ${changes} changes, ${returns} returns`);
    },

    // Each kind of statement, by hand, in the styles of more than one author.
    async wording()
    {
        const code = [
            'int f(int n) { /* a comment', ' of two lines */',   // 1
            '    int sum = 0; // sum is 0',                      // 3
            '    for (int i = 0; i < n; i++) {',                 // 4
            '        if (i == 1)', '            continue;',      // 5
            '        if (sum > 9 ||', '            g(sum))',     // 7
            '            break;',                                // 9
            '        q->sum += i;', '    }',                     // 10
            '    while (more(n) &&', '           n > 0)',        // 12
            '    {', '        c->end = g(n);',                   // 14
            '        if (c->end)', '            break;', '    }', // 16
            '    struct q *q;', '    if (n) n = 2;',             // 19
            '    g(n); // twice', '    return sum;', '}',        // 21
            'void h(void) {', '    if (f(1) == 0)',              // 24
            '        return;', '}'].join('\n');                  // 26
        const steps = [ // line, deeper than h, sum: what is said
            [3, 1, , 'h calls f.'], [4, 1, 0, 'sum is 0.'], [5, 1, 0, 'i < n is true.'],
            [4, 1, 0, 'i == 1 is true.'], [5, 1, 0, 'i < n is true.'],
            [7, 1, 0, 'i == 1 is false.'], [8, 1, 0, 'sum > 9 is false.'],
            [10, 1, 0, 'g(sum) is false.'], [4, 1, 0, 'f does q->sum += i.'],
            [7, 1, 0, 'i < n is true.'], [8, 1, 3, 'sum is 3.'],
            [12, 1, 3, 'g(sum) is true.'], [13, 1, 3, 'more(n) is true.'],
            [12, 1, 3, 'f goes back to line 12.'], [15, 1, 3, 'n > 0 is true.'],
            [16, 1, 3, 'f sets c->end to g(n).'], [12, 1, 3, 'c->end is false.'],
            [19, 1, 3, 'more(n) is false: the loop ends.'], [20, 1, 3, 'f makes q.'],
            [21, 1, 3, 'f goes on to line 21.'], [22, 1, 3, 'f calls g(n).'],
            [26, 0, , 'f returns sum (3) to h. f(1) == 0 is true.'],
            [16, 1, , 'h calls f.'], [19, 1, , 'c->end is true.'],
            [3, 1, , 'f makes q.']];
        const state = (line, deeper, sum) => ({now: '', process: 'p1', processes: {p1: {
            file: 'a.c', line, function: 'hf'[deeper], stack: ['h', 'f'].slice(0, deeper + 1),
            locals: {sum: sum === undefined ? null : String(sum)}}}});
        await load_odd({start: {...state(25, 0), now: 'It starts.', kind: 'line'},
            files: {'a.c': code}, steps: steps.map((step) => state(...step))});
        const all = (await walk('step', 1)).map(([, {now}]) => now);
        assert.deepEqual(all, ['It starts.', ...steps.map((step) => step[3])]);
        assert.equal(await inside(() => tell([...recordings.values()][0], 5)),
            '`i < n` is true.');
    },

    // Nothing but what must be there, and what could be taken for HTML.
    async odd_recording()
    {
        await load_odd({clients: ['<A>'],
            files: {'<b>.c': 'int a; /* </script> <!-- <script>'},
            start: {now: '<b>1</b> & 2', kind: 'line', process: 'p1', processes: {}},
            steps: [{now: 'x', kind: 'strange', more: {a: [1]}, processes: {p1:
                {name: '<i>', file: '<b>.c', line: 99, locals: {'<s>': '<u>'}}}},
            {call: {name: 'f', text: 'f("<img src=x>")'}, kind: 'call', clients:
                {'<A>': {does: '<p>'}}, sockets: {'<A>': {client: {}}}},
            {processes: {p1: {file: 'no.c', state: 'blocked', in: '<f>'}}}]});
        const all = await walk('step', 1);
        assert.deepEqual(all.map(([, {now}]) => now),
            ['<b>1</b> & 2', 'x', 'x', 'x']);
        assert.deepEqual(all[1][1].locals, [['<s>', '<u>']]);
        assert.match(await inside(() => document.querySelector('.code')
            .textContent), /<\/script> <!-- <script>$/);
    },
};

// Returns the labels of the timeline that are cut or cover another (this runs in
// the page).
function messy()
{
    const wrong = [];
    for (const lane of document.querySelectorAll('#lanes .lane')) {
        const end = lane.getBoundingClientRect().right;
        const boxes = [...lane.querySelectorAll('.mark, .span')]
            .filter((e) => e.textContent);
        boxes.forEach((e, i) => {
            const a = e.getBoundingClientRect();
            if (a.right > end + 1 || e.scrollWidth > e.clientWidth + 1 ||
                boxes.slice(0, i).some((f) => {
                    const b = f.getBoundingClientRect();
                    return a.left < b.right - 1 && b.left < a.right - 1 &&
                        a.top < b.bottom - 2 && b.top < a.bottom - 2;
                }))
                wrong.push(e.textContent);
        });
    }
    return wrong;
}

// Returns the texts whose contrast is below 4.5 (this runs in the page).
function faint()
{
    const canvas = document.createElement('canvas').getContext('2d',
        {willReadFrequently: true});
    const light = (colors) => {
        canvas.fillStyle = '#fff';
        canvas.fillRect(0, 0, 1, 1);
        for (const color of colors) {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data]
            .map((c) => c / 255)
            .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const found = new Set();
    for (const e of document.querySelectorAll('body *')) {
        if (![...e.childNodes].some((n) => n.nodeType === 3 &&
            n.textContent.trim()) || e.closest('script, dialog, option') ||
            e.closest('[aria-disabled=true]'))
            continue;
        const grounds = [];
        for (let up = e; up; up = up.parentElement)
            grounds.unshift(getComputedStyle(up).backgroundColor);
        const [a, b] = [light(grounds),
            light([...grounds, getComputedStyle(e).color])].sort();
        if ((b + 0.05) / (a + 0.05) < 4.5)
            found.add(`${e.tagName}.${e.className}: ${e.textContent.trim()}`);
    }
    return [...found];
}

async function main()
{
    const {targetInfos} = await send('Target.getTargets');
    const {sessionId} = await send('Target.attachToTarget', {targetId:
        targetInfos.find((t) => t.type === 'page').targetId, flatten: true});
    session = sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Network'])
        await send(`${domain}.enable`);
    await screen(1280, 800);
    await media('prefers-color-scheme', 'light');
    await load('');
    told = await inside(() => Object.fromEntries([...recordings.values()].map((rec) =>
        [rec.id, unfold(rec).states.map((_, n) => tell(rec, n).replaceAll('`', ''))])));
    for (const [name, check] of Object.entries(checks)) {
        try {
            await check();
            console.log(`ok ${name}`);
        } catch (error) {
            console.log(`not ok ${name}: ${error.message.replace(/\s+/g, ' ')}`);
        }
    }
    console.log(complaints.length === 0 ? 'ok no_complaints'
        : `not ok no_complaints: ${complaints.join(' ')}`);
    browser.removeAllListeners('exit');
    session = undefined;
    await send('Browser.close');
}

main().catch((error) => {
    console.log(`not ok browser: ${error.stack}`);
    browser.kill();
    process.exitCode = 1;
});
