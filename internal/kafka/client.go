package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// ClientConfig says how to reach a cluster.
type ClientConfig struct {
	Brokers  []string // host:port
	ClientID string   // under which the brokers know us; alert-engine by default
	TLS      TLS
	SASL     SASL

	// Dial opens connections instead of a net.Dialer, in tests. TLS is then the dialer's own
	// affair.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	decompress int // that a batch may expand to; maxDecompress unless a test says otherwise
}

// TLS encrypts connections and, with a certificate, proves who we are.
type TLS struct {
	Enabled bool   `json:"enabled,omitempty"` // naming any file below enables it too
	CAFile  string `json:"ca_file,omitempty"`
	// this and the key are read again for every connection, so they may be renewed in place
	CertFile           string `json:"cert_file,omitempty"`
	KeyFile            string `json:"key_file,omitempty"`
	ServerName         string `json:"server_name,omitempty"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty"`
}

// SASL says who we are.
type SASL struct {
	// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; "" for none
	Mechanism string `json:"mechanism,omitempty"`
	Username  string `json:"username,omitempty"`
	Password  string `json:"password,omitempty"`
	Token     string `json:"token,omitempty"`
	// read again whenever we authenticate, so a token may be renewed in place
	TokenFile string `json:"token_file,omitempty"`

	// For AWS_MSK_IAM. Where AccessKey is empty, AWS_ACCESS_KEY_ID and its relatives in the
	// environment count.
	AccessKey    string `json:"access_key,omitempty"`
	SecretKey    string `json:"secret_key,omitempty"`
	SessionToken string `json:"session_token,omitempty"`
}

// maxDecompress bounds what one batch may expand to: a batch of zeros of the permitted size would
// otherwise become a gigabyte.
const maxDecompress = 128 << 20

// options are those that every client has.
func (c ClientConfig) options(log *slog.Logger) ([]kgo.Opt, error) {
	id := c.ClientID
	if id == "" {
		id = "alert-engine"
	}
	most := c.decompress
	if most == 0 {
		most = maxDecompress
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(
			c.Brokers...), kgo.ClientID(id), kgo.WithLogger(clientLog{log}), kgo.DisableClientMetrics(),
		kgo.MaxDecompressBatchBytes(most), kgo.RetryTimeout(15 * time.Second),
	}
	if c.Dial != nil {
		opts = append(opts, kgo.Dialer(c.Dial))
	} else if c.TLS.on() {
		config, err := c.TLS.config()
		if err != nil {
			return nil, err
		}
		opts = append(opts, kgo.DialTLSConfig(config))
	}
	mechanism, err := c.SASL.mechanism()
	if err != nil {
		return nil, err
	}
	if mechanism != nil {
		opts = append(opts, kgo.SASL(mechanism))
	}
	return opts, nil
}

func (c ClientConfig) validate() error {
	var errs []error
	if len(c.Brokers) == 0 {
		errs = append(
			errs,
			errors.New("brokers is empty; name at least one, such as localhost:9092"),
		)
	}
	for _, b := range c.Brokers {
		if strings.TrimSpace(b) == "" {
			errs = append(errs, errors.New("brokers has an empty address"))
		}
	}
	return errors.Join(errs...)
}

func (t TLS) on() bool { return t.Enabled || t.CAFile != "" || t.CertFile != "" }

// config reads the files, so that what is wrong with them is said before anything is dialled.
func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{
		ServerName:         t.ServerName,
		InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion:         tls.VersionTLS12,
	}
	if t.CAFile != "" {
		text, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("read CA certificates: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read CA certificates: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile == "" {
		return config, nil
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		return nil, fmt.Errorf("read client certificate: %w", err)
	}
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		return &pair, err
	}
	return config, nil
}

// mechanism is nil when there is nobody to be.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	switch s.Mechanism {
	case "":
		return nil, nil
	case "PLAIN":
		return plain.Auth{User: s.Username, Pass: s.Password}.AsMechanism(), nil
	case "SCRAM-SHA-256":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: s.Username, Pass: s.Password}.AsSha512Mechanism(), nil
	case "OAUTHBEARER":
		return oauth.Oauth(s.oauth), nil
	case "AWS_MSK_IAM":
		return aws.ManagedStreamingIAM(s.aws), nil
	}
	return nil, fmt.Errorf(
		"SASL mechanism %q is unknown; try PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM",
		s.Mechanism,
	)
}

func (s SASL) oauth(context.Context) (oauth.Auth, error) {
	if s.TokenFile == "" {
		return oauth.Auth{Token: s.Token}, nil
	}
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return oauth.Auth{}, fmt.Errorf("read token: %w", err)
	}
	return oauth.Auth{Token: strings.TrimSpace(string(text))}, nil
}

func (s SASL) aws(context.Context) (aws.Auth, error) {
	auth := aws.Auth{AccessKey: s.AccessKey, SecretKey: s.SecretKey, SessionToken: s.SessionToken}
	if auth.AccessKey == "" {
		auth = aws.Auth{
			AccessKey:    os.Getenv("AWS_ACCESS_KEY_ID"),
			SecretKey:    os.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken: os.Getenv("AWS_SESSION_TOKEN"),
		}
	}
	if auth.AccessKey == "" || auth.SecretKey == "" {
		return auth, errors.New(
			"no AWS credentials; give access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		)
	}
	return auth, nil
}

// clientLog passes on what the client says about itself. Whatever matters is said by us, once, so
// this is for those who debug.
type clientLog struct{ log *slog.Logger }

// Level asks the client for its warnings, and for all it has to say while somebody debugs.
func (l clientLog) Level() kgo.LogLevel {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelNone
}

// Log writes one message.
func (l clientLog) Log(_ kgo.LogLevel, message string, facts ...any) {
	l.log.Debug("kafka client: "+message, facts...)
}
