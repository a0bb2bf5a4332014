/* data -- what recordings say: all their states, and how two are aligned

   A recording has a first state and a JSON merge patch for each step
   (README.md). All states are made when it's opened. They share what didn't
   change, so a step back costs no more than one forward, and what is the same
   object hasn't changed. */
'use strict';

const $ = (id) => document.getElementById(id);
const esc = (x) =>
    String(x ?? '').replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const number = (n) => Number(n).toLocaleString('en-US');
const range = (n) => Array.from({length: n}, (_, i) => i);

/* Returns the process that a step is of. */
const process = (s) => s.processes?.[s.process] ?? {};

/* Returns true if a step is no server's: a client acts, or somebody sends a
   signal. */
const from_outside = ({kind}) => kind === 'client' || kind === 'outside';

/* Returns target changed by a merge patch (RFC 7396); changes neither. */
function merge(target, patch)
{
    if (patch === null || typeof patch !== 'object' || Array.isArray(patch))
        return patch;
    const result = target && !Array.isArray(target) && typeof target == 'object'
        ? {...target} : {};
    for (const [key, value] of Object.entries(patch)) {
        if (value === null)
            delete result[key];
        else
            result[key] = merge(result[key], value);
    }
    return result;
}

/* Returns for each state the buffers that are full, as "A client send". A send
   buffer is full from when a write blocks, is short or fails until some of it
   is gone; a receive buffer while bytes for it stay in the other side's send
   buffer. */
function full(states)
{
    const stuck = new Set();
    return states.map((s, i) => {
        const found = new Set(), p = process(s);
        for (const [name, pair] of Object.entries(s.sockets ?? {})) {
            for (const [side, other] of [['client', 'server'], ['server', 'client']]) {
                const {n} = held(pair[side], 'send');
                if (n < held(states[i - 1]?.sockets?.[name]?.[side], 'send').n)
                    stuck.delete(`${name} ${side} send`);
                if (n > 0 && held(pair[other], 'recv').n > 0)
                    found.add(`${name} ${other} recv`);
            }
            if (/can.t send/.test(s.clients?.[name]?.does))
                stuck.add(`${name} client send`);
        }
        const writes = s.kind === 'blocked' && /^(write|send)$/.test(p.in)
            ? Object.keys(p.watches ?? {})
            : [...(s.call?.text ?? '').matchAll(
                /(?:write|send)\((\d+), .*?, (\d+)[^)]*\) = (-?\d+)/g)]
                .filter(([, , length, sent]) => Number(sent) < Number(length))
                .map(([, fd]) => fd);
        writes.forEach((fd) => stuck.add(`${p.fds?.[fd]} server send`));
        return new Set([...stuck, ...found]);
    });
}

/* Returns what a buffer holds: n bytes, and maybe a FIN. While that's there, the
   kernel counts one byte more, and these are the states. */
function held(end, way)
{
    const n = end?.[way] ?? 0, fin = n > 0 && (way === 'recv'
        ? /CLOSE_WAIT|CLOSING|LAST_ACK/ : /FIN_WAIT1|CLOSING|LAST_ACK/).test(end.state);
    return {n: n - fin, fin};
}

/* Returns true if a socket has what a process watches it for, IN or OUT. */
function ready(s, full, name, event)
{
    const {state, recv} = s.sockets?.[name]?.server ?? {};
    if (event === 'OUT')
        return !full.has(`${name} server send`);
    return name === 'listen' ? s.sockets.listen.queue > 0
        : recv > 0 || /^CLOS|LAST_ACK|TIME_WAIT/.test(state); // a FIN or a reset
}

/* Returns a recording with all its states, which buffers are full in each, the
   most bytes that each buffer holds in any, and a name for each process. */
function unfold(recording)
{
    if (recording.states)
        return recording;
    const states = [recording.start ?? {}];
    for (const patch of recording.steps ?? [])
        states.push(merge(states.at(-1), patch));
    const most = {}, names = {};
    for (const state of states) {
        for (const [id, {name}] of Object.entries(state.processes ?? {}))
            names[id] = name ?? id;
        for (const [name, pair] of Object.entries(state.sockets ?? {})) {
            for (const side of ['client', 'server']) {
                for (const way of ['send', 'recv']) {
                    const key = `${name} ${side} ${way}`;
                    most[key] = Math.max(most[key] ?? 16, held(pair[side], way).n);
                }
            }
        }
    }
    const all = Object.values(names);
    const twice = new Set(all.filter((name, i) => all.indexOf(name) !== i));
    for (const [id, name] of Object.entries(names)) {
        if (twice.has(name))
            names[id] = `${name} ${id}`;
    }
    const any = (test) => states.some((s) => Object.values(s.processes ?? {}).some(test));
    return Object.assign(recording, {states, most, names, full: full(states),
        phased: any((p) => p.phase),
        polls: any((p) => Object.values(p.watches ?? {}).some(Boolean))});
}

/* Returns a longest list of pairs [i, j], both growing, with a[i] === b[j]. */
function common(a, b)
{
    const best = range(a.length + 1).map(() => new Uint16Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) {
        for (let j = b.length - 1; j >= 0; j--) {
            best[i][j] = a[i] === b[j] ? best[i + 1][j + 1] + 1
                : Math.max(best[i + 1][j], best[i][j + 1]);
        }
    }
    const pairs = [];
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
        if (a[i] === b[j])
            pairs.push([i++, j++]);
        else if (best[i + 1][j] >= best[i][j + 1])
            i++;
        else
            j++;
    }
    return pairs;
}

/* Returns the positions that one scrubber goes through: for each a list with
   the step of each recording. Two meet wherever a client, or anybody outside,
   does the same in both; in between each goes on, and waits for the other. */
function align(recs)
{
    if (recs.length === 1)
        return recs[0].states.map((_, i) => [i]);
    const acts = recs.map((rec) => range(rec.states.length)
        .filter((i) => i > 0 && from_outside(rec.states[i])));
    const texts = acts.map((list, k) => list.map((i) => recs[k].states[i].now));
    const meetings = common(...texts).map(([i, j]) => [acts[0][i], acts[1][j]]);
    const ends = recs.map((rec) => rec.states.length);
    const axis = [];
    let from = [0, 0];
    for (const to of [...meetings, ends]) {
        const length = Math.max(to[0] - from[0], to[1] - from[1]);
        for (let t = 0; t < length; t++)
            axis.push(from.map((f, k) => Math.min(f + t, to[k] - 1)));
        from = to;
    }
    return axis;
}

