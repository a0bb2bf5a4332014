/* tell -- says in words what a line of C did, from the states around it

   What comes of calls, clients and the kernel the recorder says; it leaves a
   line that only ran to us. Code stands between backticks. We read C as
   clang-format leaves it, and say less where it's written in another way. */
'use strict';

/* Returns a line of a file without comments; n counts from 1. */
function bare(rec, file, n)
{
    rec.bare ??= {};
    rec.bare[file] ??= (rec.files?.[file] ?? '').replace(
        /\/\*[^]*?\*\/|\/\/.*/g, (comment) => comment.replace(/./g, ''))
        .split('\n').map((line) => line.trimEnd());
    return rec.bare[file][n - 1] ?? '';
}

/* Returns the lines of a statement, first and last, and all of it in one. */
function statement(rec, file, n)
{
    const open = (i) => /([-+*%=?,(]|&&?|\|\|?)$/.test(bare(rec, file, i));
    let first = n, last = n;
    while (open(first - 1))
        first--;
    while (open(last))
        last++;
    return {first, last, text: range(last - first + 1).map((i) =>
        bare(rec, file, first + i).trim()).join(' ')};
}

const TEST = /^(?:\} ?)?(?:else )?(if|while|for) ?\(/;

/* Returns what a test has decided, as a sentence, or ''. It went from a line on
   to the line `to`, or out of the function if that's 0. Of a test in several
   lines, each decides by itself: the next one runs if it must. */
function decided(rec, file, from, to)
{
    const line = (n) => bare(rec, file, n);
    const {first, last, text} = statement(rec, file, from);
    const [, word] = TEST.exec(text) ?? [];
    if (!word || !/\) ?\{?$/.test(text))
        return '';
    const part = line(from).trim()
        .replace(from === first ? TEST : '', '')
        .replace(from === last ? /\) ?\{?$/ : / ?(&&|\|\|)$/, '');
    const test = (word === 'for' ? part.split(';')[1] ?? '' : part).trim();
    if (!test || test.split('(').length !== test.split(')').length)
        return '';
    // Its block is what follows, further right.
    const indent = (n) => line(n).search(/\S/);
    const lines = rec.bare[file].length;
    let end = last + 1;
    while (end <= lines && (!line(end) || indent(end) > indent(first) ||
        end === last + 1 && line(end).trim() === '{'))
        end++;
    const [, jump] = /^\s*(break|continue|goto|return)\b.*;$/.exec(line(last + 1)) ?? [];
    const inside = to >= first && to <= last;
    let holds = to > last && to < end;
    if (inside) {
        if (to <= from)
            return '';
        holds = line(from).endsWith('&&');
    } else if (!holds && jump) {
        // The compiler may jump without running that line.
        const closes = line(end).trim().startsWith('}');
        if (closes && (jump === 'return' ? to === 0 : jump !== 'break'))
            return '';
        holds = jump === 'return' ? to === 0 : jump === 'break' && closes
            ? to > first : to !== end;
    }
    return `\`${test}\` is ${holds}${!holds && word !== 'if' && to !== 0 && !inside
        ? ': the loop ends' : ''}.`;
}

/* Returns the line of the test that decides in a step: the compiler may come
   back to an earlier one before it goes on. */
function test_line(rec, i, p)
{
    const {last} = statement(rec, p.file, p.line);
    const earlier = rec.states[i - 2]?.processes?.[rec.states[i].process];
    return earlier?.line > p.line && earlier.line <= last &&
        String(earlier.stack) === String(p.stack) ? earlier.line : p.line;
}

/* Returns what a line that was no test did, as a sentence, or ''. */
function done(rec, p, to)
{
    const {first, last, text} = statement(rec, p.file, p.line);
    if (!text.endsWith(';') || text.length > 90 || to >= first && to <= last ||
        /^(\} ?)?(if|else|while|for|do|case|default|continue|break|goto|return)\b/
            .test(text))
        return '';
    const [, name, value] = /^(?:[a-z][\w ]* \**)?([\w.>[\]() +-]+?) = (.+);$/i
        .exec(text) ?? [];
    if (name)
        return `${p.function} sets \`${name}\` to \`${value}\`.`;
    const [, declared] = /^(?:struct )?\w+ \**(\w+(?:\[.*\])?);$/.exec(text) ?? [];
    if (declared)
        return `${p.function} makes \`${declared}\`.`;
    return `${p.function} ${/^\w+\(/.test(text) ? 'calls' : 'does'} \`${
        text.slice(0, -1)}\`.`;
}

/* Returns the state of the process of a step in which its frame was as it is
   now, before the line that has run. */
function frame_before(rec, i)
{
    const {process: id, processes} = rec.states[i];
    const stack = String(processes?.[id]?.stack);
    while (i-- > 0) {
        const p = rec.states[i].processes?.[id];
        if (String(p?.stack) === stack)
            return p;
    }
}

/* Returns the variables that a line changed, as pairs. One that had no value
   yet has got it there only if the line names it. */
function changes(rec, i)
{
    const s = rec.states[i], now = process(s), then = frame_before(rec, i);
    const was = process({...rec.states[i - 1], process: s.process});
    if (s.kind !== 'line' || !then || now.stack?.length > was.stack?.length)
        return [];
    const words = bare(rec, then.file, then.line).split(/\W+/);
    // What changed in the functions that it called has been told.
    const pointers = Object.fromEntries(Object.entries(then.locals ?? {})
        .map(([name, value]) => [value, `${name}->`]));
    const all = (p, locals) => ({...locals, ...p.globals, ...Object.fromEntries(
        (p.conns ?? []).flatMap((c) => Object.entries(c.fields ?? {}).map(
            ([field, value]) => [(pointers[c.name] ?? `${c.name}'s `) + field,
                value])))});
    const old = all(was, then.locals);
    return Object.entries(all(now, now.locals)).filter(([name, value]) => old[name] !== value &&
        (name in old || words.includes(name.split('->')[0])));
}

/* Returns what has happened in a step, as a sentence or two. */
function tell(rec, i)
{
    const s = rec.states[i], now = process(s);
    const was = process({...rec.states[i - 1], process: s.process});
    if (s.kind !== 'line' || i === 0 || s.now)
        return s.now ?? '';
    const from = was.stack ?? [], to = now.stack ?? [];
    let same = from.findIndex((name, n) => name !== to[n]);
    same = same < 0 ? from.length : same;
    const left = from.slice(same).reverse(), entered = to.slice(same);
    const said = [];
    if (left.length > 0) {
        const {text} = statement(rec, was.file, was.line);
        const [, value] = /^return (.*);$/.exec(text) ?? [];
        if (!/^return\b/.test(text))
            said.push(decided(rec, was.file, was.line, 0) || done(rec, was, 0));
        const known = {...was.globals, ...was.locals}[value];
        said.push(`${left[0]} returns ${value ? `\`${value}\` ` : ''}${
            known === undefined ? '' : `(${known}) `}to ${
            [...left.slice(1), to[same - 1]].join(', which returns to ')}.`);
    }
    if (entered.length > 0) {
        said.push(`${to[same - 1]} calls ${entered.join(', which calls ')}.`);
    } else {
        const then = frame_before(rec, i) ?? was;
        const changed = changes(rec, i).map(([name, value]) => value === '""'
            ? `${name} points past the last byte` : `${name} is ${value}`);
        said.push(changed.length > 0 ? `${changed.join(', ')}.`
            : decided(rec, then.file, test_line(rec, i, then), now.line) ||
            (left.length > 0 ? '' : done(rec, was, now.line)));
    }
    return said.filter(Boolean).join(' ') || `${now.function} goes ${
        now.line > was.line ? 'on' : 'back'} to line ${now.line}.`;
}

/* Returns all that is said of a step, with code between backticks: what has
   happened, and what it means if it's a moment. */
function caption(rec, i)
{
    const {means} = rec.states[i], told = tell(rec, i);
    return means ? `${told.replace(/"$/, '".')} ${means}`.trim() : told;
}
