// my-echo.go -- an echo server with a goroutine for each connection
package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// echo looks as if it blocked, like the server of 01. But Go's runtime has made
// the socket non-blocking, and lets other goroutines run where this one waits.
func echo(conn net.Conn) {
	defer conn.Close()
	buf := make([]byte, 16384)
	for {
		n, err := conn.Read(buf)
		if err != nil { // the peer's FIN, or this connection failed
			return
		}
		if _, err := conn.Write(buf[:n]); err != nil {
			return
		}
	}
}

func fail(status int, reason any) {
	fmt.Fprintln(os.Stderr, reason)
	os.Exit(status)
}

func main() {
	address := []string{"localhost", "8000"}
	if copy(address, os.Args[1:]) < len(os.Args)-1 {
		fail(2, "usage: my-echo [HOST [PORT]]")
	}
	if _, err := strconv.ParseUint(address[1], 10, 16); err != nil {
		fail(2, err)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address[0], address[1]))
	if err != nil {
		fail(1, err)
	}
	fmt.Printf("Server is listening on %s:%d\n", address[0],
		listener.Addr().(*net.TCPAddr).Port)
	var told time.Time // when a failed Accept was last logged
	for {
		conn, err := listener.Accept()
		if err != nil { // no descriptors, say
			if time.Since(told) >= time.Second {
				fmt.Fprintln(os.Stderr, err)
				told = time.Now()
			}
			time.Sleep(100 * time.Millisecond)
			continue
		}
		go echo(conn)
	}
}
