package kafka

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// renewable is a client that writes, and is replaced by a new one once it will never write again:
// see producerFailed. It is safe for concurrent use.
type renewable struct {
	opts []kgo.Opt

	mu      sync.Mutex // guards client
	client  *kgo.Client
	closing sync.WaitGroup // of those that were replaced
}

func newRenewable(opts []kgo.Opt) (*renewable, error) {
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return &renewable{opts: opts, client: client}, nil
}

func (r *renewable) current() *kgo.Client {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.client
}

// wrote notes how a write of a client has ended, and replaces the client if it must be.
func (r *renewable) wrote(client *kgo.Client, err error) {
	if !producerFailed(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != client {
		return // another write has
	}
	if next, err := kgo.NewClient(r.opts...); err == nil {
		r.client = next
		r.closing.Go(client.Close) // a client cannot be closed by its own promise
	}
}

// Close drops what is not written yet.
func (r *renewable) Close() {
	r.current().Close()
	r.closing.Wait()
}
