package app

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// "The registry was down for a minute": the partition whose values need a schema waits, loudly, and
// others continue. Nothing is skipped, and a restart without the registry reads on.
func TestSchemaRegistry(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var asked int
		serve := func() (end func()) {
			l, err := w.network.Listen("tcp", "127.0.0.1:8081")
			if err != nil {
				t.Fatal(err)
			}
			server := &http.Server{
				Handler: http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
					asked++
					if req.URL.Path != "/schemas/ids/7" {
						rw.WriteHeader(http.StatusNotFound)
						return
					}
					io.WriteString(rw, `{"schema":"{\"type\":\"record\",\"name\":\"L\",`+
						`\"fields\":[{\"name\":\"level\",\"type\":\"string\"},{\"name\":\"service\",`+
						`\"type\":\"string\"},{\"name\":\"time\",\"type\":\"long\"}]}"}`)
				}),
			}
			done := make(chan struct{})
			go func() { server.Serve(l); close(done) }()
			return func() { server.Close(); <-done }
		}
		registry := func(p *process) {
			p.config.SchemaRegistry.URLs = []string{"http://127.0.0.1:8081"}
			p.config.SchemaRegistry.Timeout = time.Second
		}
		avro := func(n int, service string) {
			for range n {
				value := append([]byte("\x00\x00\x00\x00\x07\x0aERROR"), byte(2*len(service)))
				w.produce(
					0,
					string(binary.AppendVarint(append(value, service...), time.Now().UnixMilli())),
				)
				time.Sleep(100 * time.Millisecond)
			}
		}
		r := w.start("a", registry)
		w.errors(0, "plain", 11)
		avro(11, "avro")
		w.errors(1, "other", 11)
		time.Sleep(time.Minute)
		stuck := fmt.Sprintf("%+v", r.source.Health())
		if !strings.Contains(stuck, "schema 7 cannot be had") {
			t.Errorf("health is %s", stuck)
		}
		if got := w.notices(); !slices.Equal(got, []string{"firing other", "firing plain"}) {
			t.Fatalf("without the registry: %s", got)
		}
		end := serve()
		time.Sleep(time.Minute)
		if got := w.notices(); !slices.Contains(got, "firing avro") {
			t.Fatalf("with the registry: %s\n%s", got, r.out.String())
		}
		end()
		r.end()
		before := asked
		r = w.start("a", registry)
		avro(11, "later")
		time.Sleep(time.Minute)
		if got := w.notices(); !slices.Contains(got, "firing later") || asked != before {
			t.Fatalf(
				"after a restart without the registry: %s, asked %d times\n%s",
				got,
				asked-before,
				r.out.String(),
			)
		}
		if n := strings.Count(r.out.String(), "rejected"); n > 0 {
			t.Errorf("records were rejected:\n%s", r.out.String())
		}
		r.end()
	})
}
