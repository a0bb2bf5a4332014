// echo -- TCP echo server with Node's net: stage 06's handlers, one by one
//
// usage: node echo.js [HOST [PORT]]        the default is localhost 8000
'use strict';
const net = require('net');

const host = process.argv[2] || 'localhost';
const port = Number(process.argv[3] || 8000);

function onConnect(socket) {
    socket.setTimeout(0);
    socket.on('data', (data) => {
        if (!socket.write(data))
            socket.pause();
    });
    socket.on('drain', () => socket.resume());
    socket.on('end', () => socket.end());
    socket.on('timeout', () => socket.destroy());
    socket.on('error', () => {}); // 'close' comes next, by itself
}

const server = net.createServer({ allowHalfOpen: true, noDelay: true }, onConnect);
server.listen({ port, host, backlog: 4096 }, () => {
    console.log(`Server is listening on ${host}:${server.address().port}`);
});
process.once('SIGTERM', () => server.close());
