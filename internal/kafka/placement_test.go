package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// A group consumer names its rack, by which brokers choose the replica it reads from, and asks
// brokers to assign partitions, if it is to.
func TestPlacement(t *testing.T) {
	for _, c := range []struct {
		rack, protocol string
		serverSide     bool
	}{
		{"", "", false}, {"zone-a", ProtocolClassic, false}, {"zone-b", ProtocolConsumer, true},
	} {
		s := NewSource(SourceConfig{
			Client: ClientConfig{Brokers: []string{"127.0.0.1:1"}}, Topics: []string{"logs"},
			Group: "g", Rack: c.rack, GroupProtocol: c.protocol,
		}, &placed{})
		client, err := kgo.NewClient(s.group.options(nil)...)
		if err != nil {
			t.Fatal(err)
		}
		if rack := client.OptValue(kgo.Rack); rack != c.rack {
			t.Errorf("rack %v, want %q", rack, c.rack)
		}
		if is := client.OptValue(kgo.ServerSideBalancer); is != c.serverSide {
			t.Errorf("protocol %q: brokers assign partitions: %v", c.protocol, is)
		}
		client.CloseAllowingRebalance()
	}
	c := SourceConfig{Topics: []string{"logs"}, Group: "g", GroupProtocol: "next"}
	if c.Validate() == nil {
		t.Error("a protocol that does not exist is accepted")
	}
}

// placed is an engine that is not used.
type placed struct{ Engine }
