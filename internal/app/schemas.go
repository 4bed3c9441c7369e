package app

import (
	"context"
	"net"
	"path"
	"path/filepath"
	"sync"
	"time"

	"github.com/log-monitoring/alert-engine/internal/decode"
	"github.com/log-monitoring/alert-engine/internal/kafka"
	"github.com/log-monitoring/alert-engine/internal/registry"
	valueschema "github.com/log-monitoring/alert-engine/internal/schema"
	"github.com/log-monitoring/alert-engine/pkg/models"
)

// SchemaRegistryConfig says where the schemas of values are that name theirs.
type SchemaRegistryConfig struct {
	// of one registry; the next is asked when one does not answer
	URLs []string `yaml:"urls,omitempty"`
	// names and globs of the topics whose values it is asked about; empty for all
	Topics       []string  `yaml:"topics,omitempty"`
	Username     string    `yaml:"username,omitempty"`
	Password     Secret    `yaml:"password,omitempty"`
	PasswordFile Path      `yaml:"password_file,omitempty"`
	Token        Secret    `yaml:"token,omitempty"`
	TokenFile    Path      `yaml:"token_file,omitempty"` // read again for each request
	TLS          TLSConfig `yaml:"tls,omitempty"`
	// of a request
	Timeout time.Duration `yaml:"timeout,omitempty"`
	// files with Avro schemas, for values in Avro's single-object encoding
	Files []Path `yaml:"files,omitempty"`
}

func (s SchemaRegistryConfig) on() bool { return len(s.URLs)+len(s.Files) > 0 }

func (s SchemaRegistryConfig) validate(wrong func(bool, string, ...any)) {
	for _, u := range s.URLs {
		wrong(
			!isURL(u),
			"schema_registry.urls: %q is not an http or https URL; try http://registry:8081",
			u,
		)
	}
	for _, t := range s.Topics {
		_, err := path.Match(t, "")
		wrong(err != nil, "schema_registry.topics: %q is not a topic name or glob", t)
	}
	token := s.Token != "" || s.TokenFile != ""
	wrong(s.Token != "" && s.TokenFile != "",
		"schema_registry.token and schema_registry.token_file are both given; remove one")
	wrong(token && s.Username != "", "schema_registry has a token and a username; remove one")
	wrong((s.Username == "") != (s.Password == "" && s.PasswordFile == ""),
		"schema_registry.username and schema_registry.password belong together")
	wrong(s.Timeout < 0, "schema_registry.timeout is negative")
	wrong((s.TLS.CertFile == "") != (s.TLS.KeyFile == ""),
		"schema_registry.tls.cert_file and schema_registry.tls.key_file belong together")
	given := token || s.Username != "" || len(s.Topics) > 0 || s.TLS.On()
	wrong(
		given && !s.on(),
		"schema_registry.urls is empty; name the registry, as http://registry:8081",
	)
}

// schemas is the registry of a configuration, opened when it is first needed.
type schemas struct {
	once     sync.Once
	dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: the usual
	registry *registry.Registry
	err      error
}

// openSchemas opens the schema registry, if there is one, so that what is wrong with its files
// shows now. It asks the registry nothing yet.
func (c *Config) openSchemas(
	dial func(ctx context.Context, network, address string) (net.Conn, error),
) error {
	if !c.SchemaRegistry.on() {
		return nil
	}
	c.schemas = &schemas{dial: dial}
	_, err := c.schemas.open(c)
	return err
}

func (s *schemas) open(c *Config) (*registry.Registry, error) {
	s.once.Do(func() {
		if s.registry, s.err = c.openRegistry(registry.Config{Dial: s.dial}); s.err != nil {
			s.err = c.problem("schema_registry: %v", s.err)
		}
	})
	return s.registry, s.err
}

func (c *Config) openRegistry(o registry.Config) (*registry.Registry, error) {
	s := c.SchemaRegistry
	o.URLs, o.Username, o.Password, o.Token, o.TokenFile = s.URLs, s.Username, string(s.Password),
		string(s.Token), string(s.TokenFile)
	o.Timeout = s.Timeout
	if c.DataDir != "" {
		o.Dir = filepath.Join(string(c.DataDir), "schemas")
	}
	for _, f := range s.Files {
		o.Files = append(o.Files, string(f))
	}
	if s.TLS.On() || s.TLS.InsecureSkipVerify || s.TLS.ServerName != "" {
		var err error
		if o.TLS, err = tlsOf(s.TLS).Config(); err != nil {
			return nil, err
		}
	}
	return registry.New(o)
}

// of returns where the schemas of a topic's values are; nil for nowhere.
func (s *schemas) of(c *Config, topic string) valueschema.Source {
	if s == nil || !c.SchemaRegistry.reads(topic) {
		return nil
	}
	r, err := s.open(c)
	if err != nil {
		return nil // it was reported when the program started
	}
	return r
}

func (s SchemaRegistryConfig) reads(topic string) bool {
	for _, t := range s.Topics {
		if ok, err := path.Match(t, topic); ok && err == nil {
			return true
		}
	}
	return len(s.Topics) == 0
}

// readable says which records must wait for their schemas; nil without a registry.
func (c *Config) readable() kafka.Readable {
	if c.schemas == nil || len(c.SchemaRegistry.URLs) == 0 {
		return nil
	}
	return func(topic string) func(*models.Record) error {
		source := c.schemas.of(c, topic)
		if source == nil {
			return nil
		}
		return func(rec *models.Record) error { return decode.AwaitSchema(source, rec) }
	}
}
