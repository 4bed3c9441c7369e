package registry

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/log-monitoring/alert-engine/internal/schema"
)

func open(t *testing.T, cfg Config) *Registry {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func isUnavailable(err error) bool {
	var u *schema.Unavailable
	return errors.As(err, &u)
}

// Schemas of all kinds come with what they refer to, by number and by GUID, and are read by a later
// run whose registry is away.
func TestSchemas(t *testing.T) {
	fake := srfake.New()
	defer fake.Close()
	register := func(subject string, s sr.Schema) int {
		id, _, err := fake.RegisterSchema(subject, s)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	register(
		"user",
		sr.Schema{
			Schema: `{"type":"record","name":"User","namespace":"shop","fields":[{"name":"n","type":"string"}]}`,
		},
	)
	ids := map[int]string{
		register("log", sr.Schema{
			Schema:     `{"type":"record","name":"Log","fields":[{"name":"u","type":"shop.User"}]}`,
			References: []sr.SchemaReference{{Name: "shop.User", Subject: "user", Version: 1}},
		}): "avro",
	}
	register(
		"user.proto",
		sr.Schema{
			Type:   sr.TypeProtobuf,
			Schema: `syntax = "proto3"; package shop; message User { string n = 1; }`,
		},
	)
	ids[register("plog", sr.Schema{
		Type:       sr.TypeProtobuf,
		Schema:     `syntax = "proto3"; import "user.proto"; message Log { shop.User u = 1; }`,
		References: []sr.SchemaReference{{Name: "user.proto", Subject: "user.proto", Version: 1}},
	})] = "protobuf"
	ids[register("jlog", sr.Schema{Type: sr.TypeJSON, Schema: `{"type":"object"}`})] = "json"

	dir := t.TempDir()
	cfg := Config{URLs: []string{fake.URL()}, Dir: dir}
	r := open(t, cfg)
	for id, kind := range ids {
		s, err := r.Schema(schema.ID{Number: uint32(id)})
		if err != nil || s.Kind().String() != kind {
			t.Fatalf("%d: %v, want %s", id, err, kind)
		}
		if kind == "avro" {
			if b, err := s.AppendJSON(nil, []byte("\x06ann")); err != nil ||
				string(b) != `{"u":{"n":"ann"}}` {
				t.Errorf("%s, %v", b, err)
			}
		}
	}
	subject, ok := fake.GetSchema("log", 1)
	if !ok || subject.GUID == "" {
		t.Fatal("no GUID")
	}
	guid, err := hex.DecodeString(strings.ReplaceAll(subject.GUID, "-", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Schema(schema.ID{GUID: [16]byte(guid)}); err != nil {
		t.Errorf("by GUID: %v", err)
	}
	fake.Close()
	r = open(t, cfg)
	for id := range ids {
		if _, err := r.Schema(schema.ID{Number: uint32(id)}); err != nil {
			t.Errorf("after a restart without the registry: %v", err)
		}
	}
	if _, err := r.Schema(schema.ID{Number: 99}); !isUnavailable(err) {
		t.Errorf("a schema that was never asked for: %v", err)
	}
	other := open(t, Config{URLs: []string{"http://127.0.0.1:1"}, Dir: dir})
	if _, err := other.Schema(schema.ID{Number: 1}); !isUnavailable(err) {
		t.Errorf("the schema of another registry is used: %v", err)
	}
}

// A registry of its own: SCHEMA_REGISTRY_URL names its Confluent API.
func TestRealRegistry(t *testing.T) {
	url := os.Getenv("SCHEMA_REGISTRY_URL")
	if url == "" {
		t.Skip("SCHEMA_REGISTRY_URL is not set")
	}
	client, err := sr.NewClient(sr.URLs(url))
	if err != nil {
		t.Fatal(err)
	}
	create := func(subject string, s sr.Schema) int {
		created, err := client.CreateSchema(t.Context(), subject, s)
		if err != nil {
			t.Fatal(err)
		}
		return created.ID
	}
	create(
		"user",
		sr.Schema{
			Schema: `{"type":"record","name":"User","namespace":"shop","fields":[{"name":"n","type":"string"}]}`,
		},
	)
	create(
		"user.proto",
		sr.Schema{
			Type:   sr.TypeProtobuf,
			Schema: `syntax = "proto3"; package shop; message User { string n = 1; }`,
		},
	)
	values := map[int]string{
		create("log", sr.Schema{
			Schema:     `{"type":"record","name":"Log","fields":[{"name":"u","type":"shop.User"}]}`,
			References: []sr.SchemaReference{{Name: "shop.User", Subject: "user", Version: 1}},
		}): "\x06ann",
		create("plog", sr.Schema{
			Type:   sr.TypeProtobuf,
			Schema: `syntax = "proto3"; import "user.proto"; message Log { shop.User u = 1; }`,
			References: []sr.SchemaReference{
				{Name: "user.proto", Subject: "user.proto", Version: 1},
			},
		}): "\x00\x0a\x05\x0a\x03ann",
		create("jlog", sr.Schema{
			Type:   sr.TypeJSON,
			Schema: `{"type":"object"}`,
		}): `{"u":{"n":"ann"}}`,
	}
	r := open(t, Config{URLs: []string{url}, Dir: t.TempDir()})
	for id, value := range values {
		s, err := r.Schema(schema.ID{Number: uint32(id)})
		if err != nil {
			t.Fatal(err)
		}
		if b, err := s.AppendJSON(nil, []byte(value)); err != nil ||
			string(b) != `{"u":{"n":"ann"}}` {
			t.Errorf("%v: %s, %v", s.Kind(), b, err)
		}
	}
	if _, err := r.Schema(schema.ID{Number: 1 << 30}); !isUnavailable(err) {
		t.Errorf("an unknown schema: %v", err)
	}
}

// A registry that is away is asked again after a pause that doubles, and for nothing else in the
// meantime; one that does not know a schema is asked for others.
func TestUnavailable(t *testing.T) {
	var requests atomic.Int64
	var status atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		requests.Add(1)
		if status.Load() == 200 {
			w.Write([]byte(`{"schema":"\"string\""}`))
			return
		}
		w.WriteHeader(int(status.Load()))
		fmt.Fprint(w, `{"error_code":40403,"message":"Schema not found"}`)
	}))
	defer server.Close()
	r := open(t, Config{URLs: []string{server.URL}})
	ask := func(id uint32, wantUnavailable bool, wantRequests int64) {
		t.Helper()
		requests.Store(0)
		if _, err := r.Schema(schema.ID{Number: id}); isUnavailable(err) != wantUnavailable ||
			requests.Load() != wantRequests {
			t.Errorf("schema %d: %v after %d requests", id, err, requests.Load())
		}
	}
	status.Store(503)
	ask(1, true, 1)
	ask(1, true, 0)
	ask(2, true, 0)
	r.down.until = time.Time{}
	status.Store(404)
	ask(1, true, 1)
	ask(1, true, 0)
	ask(2, true, 1)
	status.Store(200)
	ask(3, false, 1)
	ask(3, false, 0)
	r.missing = map[schema.ID]failure{}
	ask(1, false, 1)
	synctest.Test(t, func(t *testing.T) {
		f := failure{}
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
			if f = f.next(nil, time.Now()); f.pause != want*time.Second {
				t.Errorf("pause %v, want %ds", f.pause, want)
			}
		}
	})
}

// What a registry answers has bounds, whatever it is, and credentials go to it alone.
func TestAnswers(t *testing.T) {
	var answer string
	var auth string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		auth = req.Header.Get("Authorization")
		fmt.Fprint(w, answer)
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		answer      string
		cfg         Config
		unavailable bool
		auth        string
	}{
		{`{"schema":"` + strings.Repeat("x", maxAnswer+1) + `"}`, Config{}, true, ""},
		{
			`{"schema":"` + strings.Repeat("[", 1<<20) + `"}`,
			Config{Username: "ann", Password: "pw"}, false, "Basic YW5uOnB3",
		},
		{`no JSON`, Config{Token: "abc"}, true, "Bearer abc"},
		{`{"schema":"{"}`, Config{TokenFile: token}, false, "Bearer s3cret"},
		{`{"schemaType":"PROTOBUF","schema":"message {"}`, Config{}, false, ""},
		// it refers to itself
		{
			`{"schema":"\"A\"","references":[{"name":"A","subject":"a","version":1}]}`,
			Config{}, false, "",
		},
	} {
		answer = c.answer
		c.cfg.URLs = []string{server.URL}
		_, err := open(t, c.cfg).Schema(schema.ID{Number: 1})
		if err == nil || isUnavailable(err) != c.unavailable || auth != c.auth {
			t.Errorf("%d: %.200v, authorization %q", i, err, auth)
		}
	}
}

// Schemas in files are for values in Avro's single-object encoding.
func TestFiles(t *testing.T) {
	name := filepath.Join(t.TempDir(), "log.avsc")
	if err := os.WriteFile(name, []byte(`"string"`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := open(t, Config{Files: []string{name}})
	s, err := schema.Compile(schema.Text{Kind: schema.Avro, Schema: `"string"`})
	if err != nil || r.ByFingerprint(s.Fingerprints()[0]) == nil ||
		r.ByFingerprint([8]byte{}) != nil {
		t.Errorf("%v", err)
	}
	if _, err := r.Schema(schema.ID{Number: 1}); err == nil || isUnavailable(err) {
		t.Errorf("without a registry: %v", err)
	}
	if _, err := New(Config{Files: []string{name + "x"}}); err == nil {
		t.Error("a missing file is no error")
	}
}
