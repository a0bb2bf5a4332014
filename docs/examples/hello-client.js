// hello-client -- the client of hello-server
//
// usage: node hello-client.js [HOST [PORT]]    the default is localhost 8000
'use strict';
const net = require('net');

const [host = 'localhost', port = '8000'] = process.argv.slice(2);

const client = net.createConnection(Number(port), host, () => {
    console.log('Connected to server');
    client.write('Hello, server!');
});

client.on('data', (data) => {
    console.log(`Received from server: ${data}`);
    client.end();
});

client.on('end', () => {
    console.log('Disconnected from server');
});
