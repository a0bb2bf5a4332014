// replay-page -- drives the replay page in Chromium, as a reader would
//
// usage: node replay-page.js RECORDINGS PAGE PROFILE
//
// PAGE was built from the folder RECORDINGS. Prints a line for each check,
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

const browser = spawn('chromium', ['--headless=new', '--no-sandbox',
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

// Loads the page anew at an address.
async function load(hash, page = PAGE)
{
    await send('Page.navigate', {url: 'about:blank'});
    await until(() => location.href === 'about:blank');
    await send('Page.navigate', {url: `${page}#${hash}`});
    await until(() => document.readyState === 'complete' &&
        document.querySelector('.now'));
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
    const bytes = (n) => `${n.toLocaleString('en-US')} B`;
    return {
        now: state.now,
        line: it.state === 'exited' || !rec.files[it.file] ? '' : String(it.line),
        asleep: it.state !== 'blocked' ? '' : `sleeps in ${it.in}`,
        where: (it.stack ?? []).join(' › '),
        locals: Object.entries(it.locals ?? {}),
        globals: Object.entries(it.globals ?? {}),
        conns: (it.conns ?? []).map((c) => [c.name, c.fd, ...fields.map((f) =>
            c.fields?.[f] ?? ''), String(c.pending ?? '')]),
        changed: String(it.stack) !== String(was.stack) ? [] : Object.entries(
            it.locals ?? {}).filter(([k, v]) => was.locals[k] !== v)
            .map(([, value]) => value),
        more: names.flatMap((name) => [['client', 'send'], ['client', 'recv'],
            ['server', 'recv'], ['server', 'send']].map(([side, way]) =>
            (sockets[name]?.[side]?.[way] ?? 0) -
            (sockets[name]?.[side] && before.sockets[name]?.[side]?.[way] || 0)))
            .filter((diff) => diff !== 0),
        queue: sockets.listen?.queue ?? 0,
        buffers: names.flatMap((name) => {
            const {client, server} = sockets[name] ?? {};
            return [...client ? [client.send, client.recv] : [],
                ...server ? [server.recv, server.send] : []].map(bytes);
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
        line: texts('.l.here > i')[0] ?? '',
        asleep: texts('.l.here.sleeps .tag').pop() ?? '',
        where: texts('.view.active .where, .view:only-child .where')[0],
        locals: rows('.locals'),
        globals: rows('.globals'),
        conns: rows('.conns').slice(1),
        changed: [...pane.querySelectorAll('.locals td.changed')].map(value),
        more: texts('.tube em').map((text) =>
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
        assert.deepEqual(await inside(seen),
            expected(recordings['01-silent'], 0));
        assert.match(await inside(() => document.getElementById('intro')
            .textContent), /A real TCP server in C.*The first client/s);
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
        const {states} = recordings['01-silent'];
        const deep = (n) => states[n].processes.p1.stack.length;
        const before = states.findIndex((_, n) => deep(n + 1) > deep(n));
        const after = states.findIndex((s, n) => n > before &&
            s.kind !== 'client' && deep(n) <= deep(before));
        await visit(`01-silent/${before}`);
        await button('over', 1);
        assert.equal(await at(), after);
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
        assert.equal((await inside(seen)).now, recordings['03-silent']
            .states[57].now);
        const last = recordings['03-silent'].steps.length;
        for (const [odd, title] of [['nothing/3', '01-silent, step 3'],
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
        ids.forEach((id, k) => recordings[id].states
            .filter((s) => s.kind === 'client')
            .forEach((s) => assert.ok(acts[k].has(s.now), `${id}: ${s.now}`)));
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
    },

    // What select is asked for, its caller's variables tell as well; epoll was
    // told of each socket.
    async watched()
    {
        const wires = () => inside(() => [...document.querySelectorAll('.fd b')]
            .map((b) => [b.textContent, b.nextElementSibling?.textContent ?? null,
                b.classList.contains('watched')]));
        for (const [id, how] of [['03-silent', ({locals}, fd) =>
            locals.readable.includes(fd)], ['05-silent', () => true]]) {
            const {states} = recordings[id];
            await visit(`${id}/0`);
            // Not at the end: what the last call was asked for isn't recorded.
            for (const n of states.slice(0, -1).keys()) {
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

    async themes()
    {
        await visit('03-silent/b-waits');
        const grounds = [];
        for (const scheme of ['light', 'dark']) {
            await media('prefers-color-scheme', scheme);
            grounds.push(await inside(() =>
                getComputedStyle(document.body).backgroundColor));
            assert.deepEqual(await inside(faint), [], scheme);
            await shot(scheme);
        }
        assert.notEqual(grounds[0], grounds[1]);
        await press('t');
        assert.equal(await inside(() =>
            getComputedStyle(document.body).backgroundColor), grounds[0]);
        await inside(() => {
            localStorage.clear();
            document.documentElement.style.colorScheme = '';
        });
        await media('prefers-color-scheme', 'light');
    },

    async narrow()
    {
        await screen(390, 844);
        for (const hash of ['01-silent/b-waits', '02-silent/40',
            '03-silent+04-silent/99']) {
            await visit(hash);
            const {width, outside} = await inside(() => ({
                width: document.documentElement.scrollWidth,
                outside: [...document.querySelectorAll('#controls button')]
                    .filter((b) => {
                        const box = b.getBoundingClientRect();
                        return box.bottom > innerHeight || box.right > innerWidth ||
                            box.left < 0 || box.height < 36;
                    }).map((b) => b.textContent.trim()),
            }));
            assert.equal(width, 390, hash);
            assert.deepEqual(outside, [], hash);
            await shot(`narrow-${hash.slice(0, 2)}`);
            await inside(() => scrollTo(0, document.body.scrollHeight));
            await shot(`narrow-${hash.slice(0, 2)}-below`);
        }
        await screen(1280, 800);
    },

    // In a frame of a chapter there's room for what one needs to step, no more.
    async embedded()
    {
        await screen(704, 512);
        await load('01-silent/b-waits', `${PAGE}?embed`);
        const {width, height, header, whole, code, kernel} = await inside(() => {
            const height = (selector) => document.querySelector(selector)
                .getBoundingClientRect().height;
            return {width: document.documentElement.scrollWidth,
                height: document.documentElement.scrollHeight,
                header: height('header'), code: height('.code'),
                kernel: height('.side'), whole: document
                    .getElementById('whole').href};
        });
        assert.deepEqual([width, height, header], [704, 512, 0]);
        assert.ok(code > 200 && kernel > 200);
        assert.ok(whole.startsWith(`${PAGE}#01-silent/`), whole);
        await shot('embedded');
        await screen(1280, 800);
        await load('');
    },

    async for_screen_readers()
    {
        await visit('01-silent/0');
        const live = () => inside(() =>
            document.querySelector('[aria-live]').textContent);
        const first = await live();
        await press('ArrowRight');
        assert.notEqual(await live(), first);
        const nameless = await inside(() => [...document.querySelectorAll(
            'button, select, input, a, [role=region], [role=group]')]
            .filter((e) => !(e.getAttribute('aria-label') ?? e.labels?.[0]
                ?.textContent ?? e.textContent).trim())
            .map((e) => e.outerHTML));
        assert.deepEqual(nameless, []);
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

    // Nothing but what must be there, and what could be taken for HTML.
    async odd_recording()
    {
        const odd = {format: 1, id: 'odd', stage: 'mine', scenario: 'odd',
            clients: ['<A>'], files: {'<b>.c': 'int a; /* </script> <!-- <script>'},
            start: {now: '<b>1</b> & 2', kind: 'line', process: 'p1', processes: {}},
            steps: [{now: 'x', kind: 'strange', more: {a: [1]}, processes: {p1:
                {name: '<i>', file: '<b>.c', line: 99, locals: {'<s>': '<u>'}}}},
            {call: {name: 'f', text: 'f("<img src=x>")'}, kind: 'call', clients:
                {'<A>': {does: '<p>'}}, sockets: {'<A>': {client: {}}}},
            {processes: {p1: {file: 'no.c', state: 'blocked', in: '<f>'}}}]};
        const dir = path.join(profile, 'odd');
        fs.mkdirSync(dir);
        fs.writeFileSync(path.join(dir, 'odd.json'), JSON.stringify(odd));
        execFileSync(path.join(__dirname, '../../docs/replay/build'),
            [dir, fileURLToPath(ODD_PAGE)]);
        await load('', ODD_PAGE);
        const all = await walk('step', 1);
        assert.deepEqual(all.map(([, {now}]) => now),
            ['<b>1</b> & 2', 'x', 'x', 'x']);
        assert.deepEqual(all[1][1].locals, [['<s>', '<u>']]);
        assert.match(await inside(() => document.querySelector('.code')
            .textContent), /<\/script> <!-- <script>$/);
    },
};

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
