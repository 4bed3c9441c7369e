package web

import (
	"net/http"

	"github.com/klauspost/compress/gzhttp"
)

// compressed compresses what it pays to compress, for clients that accept gzip: a page of a
// thousand alerts is a fifteenth of its size on the way to a phone. Streams are not compressed, so
// that each event leaves at once; metrics and profiles compress themselves. Pages have no secret
// that their length could tell: tokens are in cookies, which no other site's request carries.
func compressed(next http.Handler) http.Handler {
	wrap, err := gzhttp.NewWrapper(
		gzhttp.EnableZstd(false), // a browser asks for it only over TLS, and a window takes 8 MB
		gzhttp.CompressionLevel(2),
		gzhttp.ContentTypes([]string{
			"text/html", "text/css", "text/javascript", "text/csv", "text/plain",
			"image/svg+xml", "application/json", "application/schema+json", "application/yaml",
			"application/x-ndjson",
		}),
	)
	if err != nil {
		panic(err) // the options above are constants
	}
	return wrap(next)
}
