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
	f("any is ::", "any is *")
	f("a ::: b", "a ::: b")
	f("a :: 1:2:3", "a * *:*:*")
	f("12345::1", "*::*")
	f("at 1:2:3:4:5:6 of 1:2:3:4:5", "at * of *:*:*:*:*")
	f("MAC ff:ee:dd:cc:bb:aa: seen", "MAC *: seen")
	f("std::string is not::here", "std::string is not::here")
	f("at 12:30:01 a:b", "at *:*:* a:b")
	f("hash deadbeefcafe of a facade", "hash * of a facade")
}

// The zone of the machine, the season and the time of year do not make a message another one.
func TestTimesShareTemplate(t *testing.T) {
	f := func(want string, times ...string) {
		t.Helper()
		for _, time := range times {
			message := "job of " + time + " failed (2 left)"
			if got := string(Mask(nil, []byte(message))); got != "job of "+want+" failed (* left)" {
				t.Errorf("%s:\n got %s\nwant %s", message, got, want)
			}
		}
	}
	f("*:*:*", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.123Z", "2026-01-01T00:00:00+02:00",
		"2026-07-31T23:59:59.999999999-05:00", "2026-07-31T23:59:59,123+0530",
		"2026-07-31T23:59:59", "2026-07-31T23:59:59+02:00[Europe/Berlin]",
		"2026-07-31T23:59:59+01", "2026-01-01T00:00:00z")
	f("*:*:*:*", "2026/07/31:23:59:59Z", "2026/07/31:23:59:59")
	f("*:*:* *", "Thu Feb 15 09:00:00 CET 2026", "Wed Jul 15 09:00:00 CEST 2026")
	f("* *:*:*", "2026-01-01 00:00:00", "2026-07-31 23:59:59 +0200", "2026-07-31 23:59:59.5 CEST",
		"2026-01-31 23:59:59 CET", "2026-01-31 23:59:59 UTC", "2026-01-31 23:59:59Z",
		"2026/01/31 23:59:59", "31.01.2026 23:59:59", "12/31/2026 9:59:59 AM",
		"1/2/2026 9:59:59 PM", "0504 10:11:12.123456", "9999 10:11:12.123456")
	f("*:*:*", "Jan  5 09:00:00", "Dec 15 09:00:00", "Mon Jan  5 09:00:00 2026",
		"Tue, 05 May 2026 10:11:12 GMT",
		"05/Jan/2026:09:00:01 +0000", "15/Dec/2026:09:00:01 -0500", "05 May 2026 10:11:12",
		"November 29, 2026 8:04:36 AM", "04May2026 10:11:12", "Nov 29, 2026 8:04:36 PM")
	f("*", "20260504T101112Z", "20260504T101112+0200", "20260504T101112-0200", "20260504T101112")
	f("*:*", "2026-01-01T00:00Z", "2026-01-01T00:00+02:00", "2026-01-01T00:00")
	f("May I", "May I")
	f("Mon Repos at *:*:*", "Mon Repos at 10:11:12")
	f("* *:*:* ERROR", "2026-01-31 23:59:59 ERROR")
	f("* *:*:* POST", "2026-01-31 23:59:59 POST")
}
