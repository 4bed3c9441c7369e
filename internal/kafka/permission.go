package kafka

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// operationWrite is the bit of WRITE in a topic's authorized operations (KIP-430).
const operationWrite = 1 << 4

// A writeDeniedError is a topic that our user may not write.
type writeDeniedError struct{ topic string }

func (e *writeDeniedError) Error() string {
	return fmt.Sprintf("topic %q may not be written (allow WRITE on it for our user)", e.topic)
}

// checkWrite asks whether we may write to a topic. It is nil when the broker does not answer that.
func checkWrite(ctx context.Context, client *kgo.Client, topic string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.IncludeTopicAuthorizedOperations = true
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	req.Topics = append(req.Topics, t)
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil // whatever is wrong shows elsewhere
	}
	for _, t := range answer.Topics {
		ops := t.AuthorizedOperations
		switch err := kerr.ErrorForCode(t.ErrorCode); {
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			return &writeDeniedError{topic}
		case err == nil && ops != 0 && ops != math.MinInt32 && ops&operationWrite == 0:
			return &writeDeniedError{topic}
		}
	}
	return nil
}

// producerFailed reports whether an error leaves an idempotent producer without an ID for the rest
// of the client's life: the client keeps a refused InitProducerId, even once the right is granted.
func producerFailed(err error) bool {
	return errors.Is(err, kerr.ClusterAuthorizationFailed) ||
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed)
}
