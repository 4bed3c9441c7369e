package kafka

import (
	"context"
	"errors"
	"net"
	"time"
)

// errTLSExpected is the error of a connection without TLS to a port that speaks TLS.
var errTLSExpected = errors.New("the broker answers with a TLS alert")

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialTimeout is the time for one connection attempt, the default of the Kafka client.
const dialTimeout = 10 * time.Second

// dialPlain dials without TLS. Connections to a port that speaks TLS fail with errTLSExpected; the
// Kafka client has no type for that.
func dialPlain(dial dialFunc) dialFunc {
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &plainConn{Conn: conn}, nil
	}
}

// plainConn is a connection without TLS. Like that of any net.Conn that is read by one goroutine,
// its Read is not safe for concurrent use.
type plainConn struct {
	net.Conn
	head [2]byte // what was read first
	read int     // bytes of head
}

// tlsAlert is how a TLS alert begins: its content type and the major version (RFC 8446, section
// 5.1). As the size of a Kafka response it would be 336 MiB, which no client accepts.
var tlsAlert = [2]byte{21, 3}

func (c *plainConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.read < len(c.head) && n > 0 {
		c.read += copy(c.head[c.read:], b[:n])
		if c.read == len(c.head) && c.head == tlsAlert {
			return 0, errTLSExpected
		}
	}
	return n, err
}
