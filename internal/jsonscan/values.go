package jsonscan

// Values calls f for each scalar value of a JSON document, at any depth of objects and arrays,
// until f returns false. Keys are not values. Its time is linear; what follows a mistake is not
// read.
func Values(b []byte, f func(v Span) bool) {
	for i := 0; ; {
		if i = SkipBlank(b, i); i >= len(b) {
			return
		}
		switch b[i] {
		case '{', '}', '[', ']', ',', ':':
			i++
			continue
		}
		e, v := ScanValue(b, i)
		if e < 0 || e == i {
			return
		}
		if v.Kind == String {
			if n := SkipBlank(b, e); n < len(b) && b[n] == ':' {
				i = n + 1
				continue
			}
		}
		if !f(v) {
			return
		}
		i = e
	}
}
