// echo-clients -- many clients at once, written with Node's net module
//
// usage: node echo-clients.js COUNT BYTES HALF_OPEN HOST PORT
//
// Each client sends random bytes, its own, in pieces of random length, ends
// its side, and compares what comes back. HALF_OPEN, true or false, is what
// Node calls allowHalfOpen. Exit status 0 if each has had all of it back.
'use strict';
const assert = require('assert');
const crypto = require('crypto');
const net = require('net');

const [count, bytes, halfOpen, host, port] = process.argv.slice(2);

function runClient(name) {
    const sent = crypto.randomBytes(Number(bytes));
    const received = [];
    const socket = net.createConnection(
        { port: Number(port), host, allowHalfOpen: halfOpen === 'true' });
    let start = 0;

    function send() {
        while (start < sent.length) {
            const end = start + 1 + crypto.randomInt(65536);
            const flushed = socket.write(sent.subarray(start, end));
            start = end;
            if (!flushed)
                return;
        }
        if (!socket.writableEnded)
            socket.end();
    }

    return new Promise((resolve, reject) => {
        socket.on('connect', send);
        socket.on('drain', send);
        socket.on('data', (data) => received.push(data));
        socket.on('error', reject);
        socket.on('end', () => {
            const all = Buffer.concat(received);
            const equal = all.equals(sent);
            assert(equal, `client ${name}: ${all.length} bytes came back, ` +
                          `${sent.length} were sent, equal: ${equal}`);
            resolve();
        });
    });
}

Promise.all(Array.from({ length: Number(count) }, (_, i) => runClient(i)))
    .then(() => console.log(`${count} clients: ${bytes} bytes each are back`))
    .catch((err) => {
        console.error(err.message);
        process.exit(1);
    });
