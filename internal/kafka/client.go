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
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// ClientConfig is how to connect to a cluster.
type ClientConfig struct {
	Brokers  []string // host:port
	ClientID string   // alert-engine by default
	TLS      TLS
	SASL     SASL
	// ReadCommitted, also for "", or ReadUncommitted, which reads aborted transactions too
	Isolation string

	// Dial replaces net.Dialer in tests. TLS is then up to Dial.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	decompress int // maximum decompressed batch size; maxDecompress by default
}

// TLS configures encryption and the client certificate.
type TLS struct {
	Enabled bool   `json:"enabled,omitempty"` // implied by any file below
	CAFile  string `json:"ca_file,omitempty"`
	// both files are read for every connection, so they can be renewed in place
	CertFile           string `json:"cert_file,omitempty"`
	KeyFile            string `json:"key_file,omitempty"`
	ServerName         string `json:"server_name,omitempty"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify,omitempty"`
}

// SASL configures authentication.
type SASL struct {
	// PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or AWS_MSK_IAM; "" for none
	Mechanism string `json:"mechanism,omitempty"`
	Username  string `json:"username,omitempty"`
	Password  string `json:"password,omitempty"`
	Token     string `json:"token,omitempty"`
	// read at every authentication, so it can be renewed in place
	TokenFile string `json:"token_file,omitempty"`

	// For AWS_MSK_IAM. Without AccessKey the AWS SDK finds credentials: environment, profile, role
	// of the pod (IRSA), task (ECS) or instance (EC2).
	AccessKey    string `json:"access_key,omitempty"`
	SecretKey    string `json:"secret_key,omitempty"`
	SessionToken string `json:"session_token,omitempty"`
}

// maxDecompress bounds the decompressed size of a batch: a batch of zeros would otherwise expand
// to a gigabyte.
const maxDecompress = 128 << 20

// options are common to all clients.
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
		kgo.SeedBrokers(c.Brokers...), kgo.ClientID(id), kgo.WithLogger(clientLog{log}),
		kgo.DisableClientMetrics(),
		kgo.MaxDecompressBatchBytes(most), kgo.RetryTimeout(15 * time.Second), c.isolation(),
	}
	switch {
	case !c.TLS.on():
		opts = append(opts, kgo.Dialer(dialPlain(c.Dial)))
	case c.Dial != nil:
		opts = append(opts, kgo.Dialer(c.Dial))
	default:
		config, err := c.TLS.Config()
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
		if err := isURL(b); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, validateIsolation(c.Isolation))
	return errors.Join(errs...)
}

// isURL is an error when a broker's address is a URL, as other programs have it.
func isURL(broker string) error {
	scheme, rest, found := strings.Cut(broker, "://")
	if !found {
		return nil
	}
	host, _, _ := strings.Cut(rest, "/")
	what := "Kafka does not speak " + strings.ToUpper(scheme)
	switch scheme {
	case "kafka", "PLAINTEXT", "plaintext", "tcp":
		what = "the address has no scheme"
	case "SSL", "ssl", "SASL_SSL", "SASL_PLAINTEXT", "kafka+ssl", "tls":
		what = "the address has no scheme; TLS and SASL are configured beside it"
	}
	return fmt.Errorf("brokers has the address %q; %s, write %q", broker, what, host)
}

func (t TLS) on() bool { return t.Enabled || t.CAFile != "" || t.CertFile != "" }

// Validate reads the files and reports what is wrong with them.
func (t TLS) Validate() error {
	_, err := t.Config()
	return err
}

// Config is the configuration of the standard library. It reads the files, so that errors show
// before the first connection.
func (t TLS) Config() (*tls.Config, error) {
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

// mechanism is nil without SASL.
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
		return aws.ManagedStreamingIAM(s.aws()), nil
	}
	return nil, fmt.Errorf(
		"SASL mechanism %q is unknown; try PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER or "+
			"AWS_MSK_IAM",
		s.Mechanism,
	)
}

// credentialsError is a failure to get our own credentials: no broker was asked.
type credentialsError struct{ err error }

func (e *credentialsError) Error() string { return e.err.Error() }
func (e *credentialsError) Unwrap() error { return e.err }

func (s SASL) oauth(context.Context) (oauth.Auth, error) {
	if s.TokenFile == "" {
		return oauth.Auth{Token: s.Token}, nil
	}
	text, err := os.ReadFile(s.TokenFile)
	if err != nil {
		return oauth.Auth{}, &credentialsError{fmt.Errorf("read token: %w", err)}
	}
	return oauth.Auth{Token: strings.TrimSpace(string(text))}, nil
}

// awsTimeout bounds a request for credentials to the metadata service or STS.
const awsTimeout = 10 * time.Second

// aws returns a function that gets AWS credentials: the static keys, or those that the AWS SDK
// finds in the environment, profiles, IRSA, ECS and EC2. The SDK caches them and renews them in
// time.
func (s SASL) aws() func(context.Context) (aws.Auth, error) {
	if s.AccessKey != "" {
		return func(context.Context) (aws.Auth, error) {
			return aws.Auth{
				AccessKey:    s.AccessKey,
				SecretKey:    s.SecretKey,
				SessionToken: s.SessionToken,
			}, nil
		}
	}
	var mu sync.Mutex // guards provider
	var provider awssdk.CredentialsProvider
	return func(ctx context.Context) (aws.Auth, error) {
		ctx, cancel := context.WithTimeout(ctx, awsTimeout)
		defer cancel()
		mu.Lock()
		defer mu.Unlock()
		if provider == nil {
			cfg, err := awsconfig.LoadDefaultConfig(ctx)
			if err != nil {
				return aws.Auth{}, noAWSCredentials(err)
			}
			provider = cfg.Credentials
		}
		c, err := provider.Retrieve(ctx)
		if err != nil {
			return aws.Auth{}, noAWSCredentials(err)
		}
		return aws.Auth{
			AccessKey:    c.AccessKeyID,
			SecretKey:    c.SecretAccessKey,
			SessionToken: c.SessionToken,
		}, nil
	}
}

func noAWSCredentials(err error) error {
	return &credentialsError{fmt.Errorf(
		"no AWS credentials: %w (set access_key and secret_key, or AWS_ACCESS_KEY_ID and "+
			"AWS_SECRET_ACCESS_KEY, or give the machine or pod a role)",
		err,
	)}
}

// clientLog forwards the client's log at debug level. What matters is logged by this package.
type clientLog struct{ log *slog.Logger }

// Level asks for the client's messages only when debug logging is on.
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
