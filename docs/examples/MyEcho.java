// MyEcho.java -- an echo server with Java's NIO, built as stage 05 is
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.*;

public class MyEcho {
    /** Reads if nothing is pending, then sends as much as the kernel takes. */
    static void echo(SelectionKey key) {
        var conn = (SocketChannel) key.channel();
        var buf = (ByteBuffer) key.attachment();
        try {
            if (!buf.hasRemaining()) {
                buf.clear();
                int n = conn.read(buf);
                buf.flip();
                if (n == -1) { // the peer's FIN
                    conn.close();
                    return;
                }
            }
            conn.write(buf);
            key.interestOps(buf.hasRemaining() ? SelectionKey.OP_WRITE
                                               : SelectionKey.OP_READ);
        } catch (IOException e) { // this connection failed
            try { conn.close(); } catch (IOException ignored) { }
        }
    }

    static void fail(int status, Object reason) {
        System.err.println(reason);
        System.exit(status);
    }

    public static void main(String[] args) throws IOException {
        String host = args.length > 0 ? args[0] : "localhost";
        String port = args.length > 1 ? args[1] : "8000";
        if (args.length > 2 || !port.matches("0*[0-9]{1,5}")
                || Integer.parseInt(port) > 65535)
            fail(2, "usage: java MyEcho [HOST [PORT]]");
        var selector = Selector.open();
        var listener = ServerSocketChannel.open();
        listener.configureBlocking(false);
        var address = new InetSocketAddress(host, Integer.parseInt(port));
        try {
            listener.bind(address, 4096);
        } catch (IOException | UnresolvedAddressException e) {
            fail(1, host + ":" + port + ": " + e);
        }
        var accepting = listener.register(selector, SelectionKey.OP_ACCEPT);
        System.out.println("Server is listening on " + host + ":"
            + listener.socket().getLocalPort());
        long told = System.nanoTime() - 1_000_000_000; // the last log line
        while (true) {
            boolean paused = accepting.interestOps() == 0;
            selector.select(paused ? 100 : 0);
            accepting.interestOps(SelectionKey.OP_ACCEPT);
            for (var key : selector.selectedKeys()) {
                if (key != accepting) {
                    echo(key);
                    continue;
                }
                try {
                    var conn = listener.accept();
                    if (conn == null) // that client has left already
                        continue;
                    conn.configureBlocking(false);
                    conn.setOption(StandardSocketOptions.TCP_NODELAY, true);
                    conn.register(selector, SelectionKey.OP_READ,
                        ByteBuffer.allocate(16384).limit(0));
                } catch (IOException e) { // no descriptors, for example
                    if (System.nanoTime() - told >= 1_000_000_000) {
                        System.err.println(e);
                        told = System.nanoTime();
                    }
                    accepting.interestOps(0); // pause
                }
            }
            selector.selectedKeys().clear();
        }
    }
}
