package window

import "testing"

func TestNumbersIDsAndQuotesShareTemplate(t *testing.T) {
	f := func(message, want string) {
		t.Helper()
		if got := string(Mask(nil, []byte(message))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", message, got, want)
		}
	}
	f("", "")
	f("connection refused", "connection refused")
	f("took 17 ms", "took * ms")
	f("took 17ms", "took *")
	f("order 7f3a-11 of user:42 failed", "order * of user:* failed")
	f("dial tcp 10.0.0.7:5432: timeout", "dial tcp *:*: timeout")
	f(`no such table "orders_2026"`, "no such table *")
	f(`can't open 'a b', it's gone`, `can't open *, it's gone`)
	f(`unclosed "quote`, `unclosed *quote`)
	f(`"escaped \" quote" here`, `* here`)
	f("at 2026-01-05T09:00:00.123Z", "at *:*:*")
	f("GET /api/v1/users/42 in 3ms", "GET /api/*/users/* in *")
	f("größe 5", "größe *")
	f("offset -5 ms", "offset * ms")
	f("offset 5 ms", "offset * ms")
	f("range 3-5, a - b", "range *, a - b")
	f("imported 25,000,000 rows, 7 failed", "imported * rows, * failed")
	f("codes 1,2 and 3", "codes *,* and *")
	f("peer fe80::1 gone", "peer * gone")
	f("peer [2001:db8::ff00:42:8329]:443 gone", "peer [*]:* gone")
	f("from ::ffff:10.0.0.7: refused", "from *: refused")
	f("MAC ff:ee:dd:cc:bb:aa seen", "MAC * seen")
	f("MAC aabb.ccdd.eeff seen", "MAC * seen")
	f("load .5 of 1", "load * of *")
	f("std::string is not::here", "std::string is not::here")
	f("at 12:30:01 a:b", "at *:*:* a:b")
	f("hash deadbeefcafe of a facade", "hash * of a facade")
}
