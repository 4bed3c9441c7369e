module github.com/log-monitoring/alert-engine/bench

go 1.26.0

require github.com/log-monitoring/alert-engine v0.0.0

require (
	github.com/cloudflare/ahocorasick v0.0.0-20240916140611-054963ec9396 // indirect
	github.com/expr-lang/expr v1.17.8 // indirect
	github.com/google/cel-go v0.26.1 // indirect
	github.com/klauspost/compress v1.20.4 // indirect
	github.com/petar-dambovaliev/aho-corasick v0.0.0-20250424160509-463d218d4745 // indirect
	github.com/pierrec/lz4/v4 v4.1.33 // indirect
	github.com/valyala/fastjson v1.6.10 // indirect
)

replace github.com/log-monitoring/alert-engine => ../
