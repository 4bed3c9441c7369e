package devbroker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// kfake trusts its clients: a request with a key that it does not know panics, and the length that
// a peer announces is allocated before a byte of it has come. So every frame is judged by its first
// eight bytes (length, key and version of the request) before kfake sees any of it, and what is not
// a Kafka request, such as a browser's, ends its connection.

const (
	// maxFrame is far more than a client of a demo sends at once; a client's default for a batch is
	// 1 MiB.
	maxFrame = 16 << 20
	header   = 8

	apiVersions = 18 // may come in a version that is not known yet: the answer says which are
)

var errFrame = errors.New("not a Kafka request")

// listener hands out guarded connections.
type listener struct{ net.Listener }

// Accept returns the next connection, guarded.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c}, nil
}

// conn is a connection whose reader sees only what begins like a Kafka request of bearable size.
type conn struct {
	net.Conn
	head  [header]byte // of the frame that is being read
	got   int          // bytes of head that have come
	given int          // bytes of head that were handed on
	left  int          // bytes of the frame that follow its head
}

// Read reads from the current frame, or from the next one once its head was found good.
func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 && c.given == c.got {
		if err := c.next(); err != nil {
			c.Conn.Close()
			return 0, err
		}
	}
	if c.given < c.got {
		n := copy(p, c.head[c.given:c.got])
		c.given += n
		return n, nil
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// next reads the head of the next frame and judges it.
func (c *conn) next() error {
	c.got, c.given = 0, 0
	for c.got < header {
		n, err := c.Conn.Read(c.head[c.got:])
		c.got += n
		if err != nil {
			return err
		}
	}
	size := binary.BigEndian.Uint32(c.head[:4])
	key, version := int16(binary.BigEndian.Uint16(c.head[4:])),
		int16(binary.BigEndian.Uint16(c.head[6:]))
	if size < header || size > maxFrame {
		return fmt.Errorf("%w: a frame of %d bytes", errFrame, size)
	}
	request := kmsg.RequestForKey(key)
	if request == nil || version < 0 || key != apiVersions && version > request.MaxVersion() {
		return fmt.Errorf("%w: key %d version %d", errFrame, key, version)
	}
	c.left = int(size) - (header - 4)
	return nil
}
