package jsonscan

// Key is a key of objects, with the places of its values.
type Key = key

// Begin prepares the extractor for the members of one object that its caller puts, instead of an
// object that it reads. The caller sets Doc.
func (x *Extractor) Begin() {
	x.begin(nil)
	x.marks.control = true // not known
}

// Key returns the key with a name in the outermost object, which must not have quotes, backslashes
// or control characters. A key that is not kept is valid until the next call.
func (x *Extractor) Key(name []byte) (k *Key, kept bool) {
	k = x.find(name, Wide, 0)
	return k, k != &x.unknownKeys[0]
}

// OwnKey returns the key with a name as Key does. It stays valid, kept or not.
func (x *Extractor) OwnKey(name []byte) *Key {
	k, kept := x.Key(name)
	if !kept {
		own := *k
		return &own
	}
	return k
}

// Put stores the value of a key of the outermost object. The last of equal keys wins.
func (x *Extractor) Put(k *Key, v Span) {
	if k.plain {
		*k.has |= k.bit
		*k.span = v
		return
	}
	x.put(k, v)
}

// Wanted reports whether the value of a key is in the plan, or something within it.
func (k *key) Wanted() bool { return k.slot != NoSlot || k.child != 0 || len(k.loose) > 0 }

// Leads reports whether something within the value of a key is in the plan.
func (k *key) Leads() bool { return k.child != 0 }

// Slot is the slot of a key, or NoSlot.
func (k *key) Slot() Slot { return k.slot }

// IsPlain reports whether a text is ASCII and needs no escapes, so that JSON writes it as it is.
func IsPlain(t []byte) bool {
	n := len(t)
	if n < 8 {
		for _, c := range t {
			if c < ' ' || c >= 0x80 || c == '"' || c == '\\' {
				return false
			}
		}
		return true
	}
	bad := uint64(0)
	for i := 0; i+8 <= n; i += 8 {
		bad |= unplain(word(t[i : i+8 : i+8]))
	}
	return bad|unplain(word(t[n-8:n:n])) == 0
}

// unplain sets a bit if one of eight bytes is no ASCII or needs an escape.
func unplain(w uint64) uint64 {
	control, quote, slash := w-' '*ones, w^quotes-ones, w^slashes-ones
	return (w | control | quote | slash) & Tops
}
