// echo-server -- echo servers written with Node's net module
//
// usage: node echo-server.js MODE [HOST [PORT]]    (PORT 0: the kernel chooses)
//
// plain      the example of every tutorial; write() may queue without end
// pipe       with backpressure: reads no more while output waits
// half-open  the same, and answers the peer's FIN by itself
'use strict';
const net = require('net');

const [mode, host = 'localhost', port = '8000', ...more] =
    process.argv.slice(2);

const modes = {
    'plain': (socket) => socket.on('data', (data) => socket.write(data)),
    'pipe': (socket) => socket.pipe(socket),
    'half-open': (socket) => socket.pipe(socket),
};

if (!(mode in modes) || !/^\d+$/.test(port) || port > 65535 || more.length > 0) {
    console.error('usage: node echo-server.js MODE [HOST [PORT]]');
    process.exit(2);
}

const options = { allowHalfOpen: mode === 'half-open', noDelay: true };
const server = net.createServer(options, (socket) => {
    socket.on('error', () => socket.destroy()); // that connection's trouble
    modes[mode](socket);
});

server.listen({ port: Number(port), host, backlog: 4096 }, () => {
    console.log(`Server is listening on ${host}:${server.address().port}`);
});
