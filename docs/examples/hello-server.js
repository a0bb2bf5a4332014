// hello-server -- the echo example of Node's net
//
// usage: node hello-server.js [HOST [PORT]]    the default is localhost 8000
'use strict';
const net = require('net');

const [host = 'localhost', port = '8000'] = process.argv.slice(2);

const server = net.createServer((socket) => {
    socket.on('data', (data) => {
        socket.write(data);
    });
});

server.listen(Number(port), host, () => {
    console.log(`Server is listening on ${host}:${server.address().port}`);
});
