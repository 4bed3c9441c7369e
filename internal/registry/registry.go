// Package registry gets schemas from a schema registry and keeps them.
//
// It speaks the API of Confluent's Schema Registry, which Karapace, Redpanda and Apicurio (under
// /apis/ccompat/v7) have too. A schema never changes under its ID, so each is asked for once, kept
// in memory, and kept in a directory, from which a later run reads it while the registry is away.
//
// A schema that cannot be had is a schema.Unavailable: the registry does not answer, refuses us, or
// does not know the ID yet. It is asked for again after a pause, which doubles; a registry that
// does not answer is asked for nothing else in the meantime. A schema that was had and makes no
// sense is another error, which stays.
package registry

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/sr"

	"github.com/log-monitoring/alert-engine/internal/atomicfile"
	"github.com/log-monitoring/alert-engine/internal/schema"
)

const (
	maxAnswer  = 8 << 20 // bytes of an answer
	maxRefs    = 200     // schemas that one refers to
	maxMissing = 1000    // IDs that were asked for in vain and are remembered
	minPause   = time.Second
	maxPause   = 30 * time.Second
)

// Config is where a registry is, and how to ask it.
type Config struct {
	URLs     []string // of one registry; the next is asked when one does not answer
	Username string   // for basic authentication
	Password string
	Token    string // a bearer token, instead of a password
	// a file that holds the token; it is read again for each request
	TokenFile string
	TLS       *tls.Config   // for https; nil for the defaults
	Timeout   time.Duration // of a request; 5 s by default
	// where schemas are kept for later runs; "" for nowhere
	Dir string
	// files with Avro schemas, for values in Avro's single-object encoding
	Files []string
	// instead of the network's own
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Registry is a schema.Source. Asking it takes at most as long as a request and its references may
// take, and usually nothing.
type Registry struct {
	cfg    Config
	client *sr.Client
	dir    string // of this registry's schemas

	known atomic.Pointer[map[schema.ID]answer] // replaced when it grows
	files map[[8]byte]*schema.Schema

	mu      sync.Mutex // held while a schema is asked for; guards what follows
	missing map[schema.ID]failure
	down    failure // the registry does not answer
}

// answer is a schema, or why it cannot be used.
type answer struct {
	schema *schema.Schema
	err    error
}

// failure says why something was not had, and until when it is not asked for again.
type failure struct {
	err   error
	until time.Time
	pause time.Duration
}

func (f failure) next(err error, now time.Time) failure {
	pause := min(max(2*f.pause, minPause), maxPause)
	return failure{err, now.Add(pause), pause}
}

// New returns a registry. It asks nothing yet.
func New(cfg Config) (*Registry, error) {
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	r := &Registry{cfg: cfg, missing: map[schema.ID]failure{}, files: map[[8]byte]*schema.Schema{}}
	r.known.Store(&map[schema.ID]answer{})
	for _, name := range cfg.Files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read schema: %w", err)
		}
		s, err := schema.Compile(schema.Text{Kind: schema.Avro, Schema: string(text)})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, crc := range s.Fingerprints() {
			r.files[crc] = s
		}
	}
	if len(cfg.URLs) == 0 {
		return r, nil
	}
	if cfg.Dir != "" {
		h := sha256.Sum256([]byte(strings.Join(cfg.URLs, "\n")))
		r.dir = filepath.Join(cfg.Dir, hex.EncodeToString(h[:8]))
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = cfg.TLS
	transport.DisableKeepAlives = true // requests are rare
	if cfg.Dial != nil {
		transport.DialContext = cfg.Dial
	}
	var err error
	r.client, err = sr.NewClient(
		sr.URLs(cfg.URLs...), sr.UserAgent("alert-engine"), sr.PreReq(r.authorize),
		sr.HTTPClient(&http.Client{Timeout: cfg.Timeout, Transport: bounded{transport}}),
	)
	return r, err
}

func (r *Registry) authorize(req *http.Request) error {
	token := r.cfg.Token
	if r.cfg.TokenFile != "" {
		text, err := os.ReadFile(r.cfg.TokenFile)
		if err != nil {
			return fmt.Errorf("read token: %w", err)
		}
		token = strings.TrimSpace(string(text))
	}
	switch {
	case token != "":
		req.Header.Set("Authorization", "Bearer "+token)
	case r.cfg.Username != "":
		req.SetBasicAuth(r.cfg.Username, r.cfg.Password)
	}
	return nil
}

// bounded cuts answers off that are too large.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := b.RoundTripper.RoundTrip(req)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// ByFingerprint returns the schema of a file.
func (r *Registry) ByFingerprint(crc [8]byte) *schema.Schema { return r.files[crc] }

// Schema returns a schema of the registry.
func (r *Registry) Schema(id schema.ID) (*schema.Schema, error) {
	if a, ok := (*r.known.Load())[id]; ok {
		return a.schema, a.err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if a, ok := (*r.known.Load())[id]; ok {
		return a.schema, a.err
	}
	if text, ok := r.read(id); ok {
		return r.keep(id, text)
	}
	if r.client == nil {
		return nil, errors.New(
			"the value names a schema of a registry, and schema_registry.url names none",
		)
	}
	now := time.Now()
	for _, f := range []failure{r.missing[id], r.down} {
		if now.Before(f.until) {
			return nil, &schema.Unavailable{ID: id, Err: f.err}
		}
	}
	text, err := r.ask(id)
	if err != nil {
		r.failed(id, err, time.Now())
		return nil, &schema.Unavailable{ID: id, Err: err}
	}
	r.down = failure{}
	delete(r.missing, id)
	r.write(id, text)
	return r.keep(id, text)
}

// failed notes that a schema was not had, or that the registry did not answer. The caller holds mu.
func (r *Registry) failed(id schema.ID, err error, now time.Time) {
	var answered *sr.ResponseError
	if !errors.As(err, &answered) || answered.StatusCode >= 500 ||
		answered.StatusCode == http.StatusUnauthorized ||
		answered.StatusCode == http.StatusForbidden ||
		answered.StatusCode == http.StatusTooManyRequests {
		r.down = r.down.next(err, now)
		return
	}
	r.down = failure{}
	if len(r.missing) >= maxMissing {
		clear(r.missing)
	}
	r.missing[id] = r.missing[id].next(err, now)
}

// keep compiles a schema and keeps it in memory. The caller holds mu.
func (r *Registry) keep(id schema.ID, text schema.Text) (*schema.Schema, error) {
	s, err := schema.Compile(text)
	if err != nil {
		err = fmt.Errorf("schema %s: %w", id, err)
	}
	grown := maps.Clone(*r.known.Load())
	grown[id] = answer{s, err}
	r.known.Store(&grown)
	return s, err
}

// ask gets a schema and all that it refers to.
func (r *Registry) ask(id schema.ID) (schema.Text, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*r.cfg.Timeout)
	defer cancel()
	var s sr.Schema
	var err error
	if id.GUID != [16]byte{} {
		var found sr.SubjectSchema
		found, err = r.client.SchemaByGUID(ctx, id.String())
		s = found.Schema
	} else {
		s, err = r.client.SchemaByID(ctx, int(id.Number))
	}
	if err != nil {
		return schema.Text{}, err
	}
	text := schema.Text{Schema: s.Schema}
	switch s.Type {
	case sr.TypeAvro:
		text.Kind = schema.Avro
	case sr.TypeProtobuf:
		text.Kind = schema.Protobuf
	case sr.TypeJSON:
		text.Kind = schema.JSON
		return text, nil // values are read without their schema
	}
	seen := map[string]bool{}
	err = r.references(ctx, s.References, seen, &text)
	return text, err
}

// references appends what a schema refers to, each before those that refer to it.
func (r *Registry) references(
	ctx context.Context, list []sr.SchemaReference, seen map[string]bool, text *schema.Text,
) error {
	for _, ref := range list {
		if seen[ref.Name] {
			continue
		}
		if len(seen) >= maxRefs {
			return fmt.Errorf("the schema refers to more than %d others", maxRefs)
		}
		seen[ref.Name] = true
		found, err := r.client.SchemaByVersion(ctx, ref.Subject, ref.Version)
		if err != nil {
			return fmt.Errorf(
				"its reference %s, version %d of %s: %w",
				ref.Name,
				ref.Version,
				ref.Subject,
				err,
			)
		}
		if err := r.references(ctx, found.References, seen, text); err != nil {
			return err
		}
		text.References = append(
			text.References,
			schema.Reference{Name: ref.Name, Schema: found.Schema.Schema},
		)
	}
	return nil
}

func (r *Registry) path(id schema.ID) string { return filepath.Join(r.dir, id.String()+".json") }

// read reads a schema that an earlier run kept.
func (r *Registry) read(id schema.ID) (text schema.Text, ok bool) {
	if r.dir == "" {
		return text, false
	}
	f, err := os.Open(r.path(id))
	if err != nil {
		return text, false
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, 2*maxAnswer))
	return text, err == nil && json.Unmarshal(b, &text) == nil && text.Kind != 0
}

// write keeps a schema for later runs, which ask again if the directory cannot be written to.
func (r *Registry) write(id schema.ID, text schema.Text) {
	if r.dir == "" {
		return
	}
	if b, err := json.Marshal(text); err == nil {
		_ = atomicfile.Write(r.path(id), b)
	}
}
