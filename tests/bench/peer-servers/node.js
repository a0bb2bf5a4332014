// node -- the echo server of Node's manual: net, one handler
//
// With the argument nodelay it sets TCP_NODELAY, which Node by default doesn't.
const noDelay = process.argv[2] === 'nodelay';
const server = require('net').createServer({ noDelay }, (socket) => {
  socket.on('data', (data) => socket.write(data));
  socket.on('error', () => socket.destroy());
});

server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  console.log(`Server is listening on 127.0.0.1:${server.address().port}`);
});
