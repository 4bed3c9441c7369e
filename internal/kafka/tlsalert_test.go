package kafka

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A client without TLS that meets a port with TLS is told so by the type of the error.
func TestPlainClientMeetsTLS(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { // as Java does: a fatal alert that says unexpected_message
				_, _ = conn.Read(make([]byte, 1024))
				_, _ = conn.Write([]byte{21, 3, 3, 0, 2, 2, 10})
				conn.Close()
			}()
		}
	}()
	c := ClientConfig{Brokers: []string{listener.Addr().String()}}
	opts, err := c.options(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = client.Ping(ctx)
	if !errors.Is(err, errTLSExpected) || !needsOperator(err) {
		t.Fatalf("got %v", err)
	}
	if got := withHint(err).Error(); !strings.Contains(got, "turn TLS on") {
		t.Errorf("got %s", got)
	}
}

// The first two bytes decide, however they arrive; later ones are data.
func TestPlainConnReadsAlertInPieces(t *testing.T) {
	read := func(pieces ...string) error {
		us, broker := net.Pipe()
		go func() {
			for _, p := range pieces {
				_, _ = broker.Write([]byte(p))
			}
			broker.Close()
		}()
		c := &plainConn{Conn: us}
		buffer := make([]byte, 16)
		for range pieces {
			if _, err := c.Read(buffer); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read("\x15", "\x03\x01\x00\x02"); !errors.Is(err, errTLSExpected) {
		t.Errorf("in pieces: %v", err)
	}
	if err := read("\x00\x00\x00\x08", "\x15\x03\x01"); err != nil {
		t.Errorf("as data: %v", err)
	}
}
