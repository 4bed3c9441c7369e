package web

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// connections bounds the open connections, so that clients that send nothing or half a request
// cannot take all file descriptors of the process: Kafka, the state and the receivers need some.
// At the bound, the connection that has waited longest for a request is closed; if all have a
// request in progress, the new one is closed.
type connections struct {
	most int

	mu      sync.Mutex // guards what follows
	open    map[net.Conn]bool
	waiting map[net.Conn]time.Time // connections without a request in progress, since when
}

// maxConnections is the bound where the process may open enough files; else a quarter of those.
const maxConnections = 1024

func newConnections() *connections {
	return &connections{
		most:    min(maxConnections, max(openFiles()/4, 16)),
		open:    map[net.Conn]bool{},
		waiting: map[net.Conn]time.Time{},
	}
}

// note is the hook of http.Server for a connection that changes its state. A connection whose
// request has not arrived completely is in StateNew.
func (c *connections) note(conn net.Conn, state http.ConnState) {
	if surplus := c.change(conn, state); surplus != nil {
		surplus.Close()
	}
}

// change records a state and returns the connection to close, if any.
func (c *connections) change(conn net.Conn, state http.ConnState) (surplus net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		if len(c.open) >= c.most {
			if surplus = c.longestWaiting(); surplus == nil {
				surplus = conn
			}
			c.remove(surplus)
		}
		if surplus != conn {
			c.open[conn], c.waiting[conn] = true, time.Now()
		}
	case http.StateIdle:
		c.waiting[conn] = time.Now()
	case http.StateActive:
		delete(c.waiting, conn)
	case http.StateClosed, http.StateHijacked:
		c.remove(conn)
	}
	return surplus
}

func (c *connections) longestWaiting() (oldest net.Conn) {
	for conn, since := range c.waiting {
		if oldest == nil || since.Before(c.waiting[oldest]) {
			oldest = conn
		}
	}
	return oldest
}

func (c *connections) remove(conn net.Conn) {
	delete(c.open, conn)
	delete(c.waiting, conn)
}
