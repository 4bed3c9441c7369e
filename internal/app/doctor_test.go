package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// The doctor reads the topics of lookups and lists, and says what is refused, or missing.
func TestDoctorReadsTables(t *testing.T) {
	broker, err := devbroker.Start(devbroker.Options{Topics: []devbroker.Topic{
		{Name: "logs"}, {Name: "owners", Compact: true}, {Name: "blocked-users", Compact: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	producer, err := kgo.NewClient(kgo.SeedBrokers(broker.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	if err := producer.ProduceSync(t.Context(),
		&kgo.Record{Topic: "owners", Key: []byte("pay"), Value: []byte(`{"team":"a"}`)},
		&kgo.Record{Topic: "owners", Key: []byte("cart"), Value: []byte("b")},
		&kgo.Record{Topic: "blocked-users", Key: []byte("ann"), Value: []byte("x")},
	).FirstErr(); err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "a.rules.yml")
	if err := os.WriteFile(rules, []byte(listRules), 0o600); err != nil {
		t.Fatal(err)
	}
	c := DefaultConfig()
	c.Kafka.Brokers, c.Kafka.Topics = []string{broker.Addr()}, []string{"logs"}
	c.Rules, c.DataDir, c.Web.Listen = []Path{Path(rules)}, Path(t.TempDir()), ""
	c.Notify.Lookups = []LookupConfig{
		{Topic: "owners", By: []string{"service"}}, {Topic: "owner", By: []string{"service"}},
	}
	var got []string
	for _, f := range Doctor(t.Context(), &c) {
		if f.Check == "lookup" || f.Check == "list" {
			got = append(got, f.Level+" "+f.Detail)
		}
	}
	want := []string{
		"warning owners: 1 value refused: they are no JSON objects",
		"ok owners: 1 row",
		`error read the keys of owner: topic "owner" does not exist; did you mean "owners"?`,
		"ok blocked: 1 member of topic blocked-users",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("it says %s", strings.Join(got, "\n"))
	}
}
