// my-echo.js -- an echo server with Node's net module, to be graded by the suite
const net = require('net');

const [host = 'localhost', port = '8000', ...more] = process.argv.slice(2);
if (!/^\d+$/.test(port) || port > 65535 || more.length > 0) {
    console.error('usage: node my-echo.js [HOST [PORT]]');
    process.exit(2);
}

const server = net.createServer({ noDelay: true }, socket => {
    socket.on('error', () => socket.destroy()); // this connection failed
    socket.pipe(socket);
});

server.on('error', error => {
    console.error(error.message);
    process.exit(1);
});

server.listen({ host, port, backlog: 4096 }, () => {
    console.log(`Server is listening on ${host}:${server.address().port}`);
});
