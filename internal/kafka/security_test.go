package kafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/log-monitoring/alert-engine/internal/devbroker"
)

// join runs a source for a moment against a broker, and returns the error it ends with by itself;
// "" when it gets its partitions.
func join(t *testing.T, o devbroker.Options, client ClientConfig) string {
	t.Helper()
	o.Topics = []devbroker.Topic{{Name: "logs"}}
	broker, err := devbroker.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	client.Brokers = []string{broker.Addr()}
	b := &bed{t: t, logs: &journal{}}
	s := NewSource(
		SourceConfig{Client: client, Topics: []string{"logs"}, Group: "g", Logger: b.logger()},
		newNotebook(),
	)
	r := run(t, s.Run)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(5 * time.Minute); time.Now().Before(end); <-ticker.C {
		select {
		case err := <-r.done:
			return err.Error()
		default:
		}
		if len(s.Stats().Partitions) > 0 {
			r.stop()
			return ""
		}
	}
	t.Fatalf("neither an assignment nor an end; the log:\n%s", b.logs)
	return ""
}

// The right password lets us in; the wrong one, a mechanism that the broker does not know, or none
// at all end the run at once, with what to do.
func TestSASL(t *testing.T) {
	f := func(mechanism, tried, password, want string) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) {
			var network kfake.VirtualNetwork
			o := devbroker.Options{
				Addr:   "127.0.0.1:9092",
				Listen: network.Listen,
				Users:  []devbroker.User{{Mechanism: mechanism, Name: "me", Password: "hush"}},
			}
			got := join(
				t,
				o,
				ClientConfig{
					Dial: network.DialContext,
					SASL: SASL{Mechanism: tried, Username: "me", Password: password},
				},
			)
			if want == "" && got != "" || !strings.Contains(got, want) {
				t.Errorf("%s, tried %s: got %q, want %q", mechanism, tried, got, want)
			}
		})
	}
	for _, m := range []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"} {
		f(m, m, "hush", "")
		f(m, m, "shout", "check the SASL mechanism, user name and password")
	}
	f("PLAIN", "SCRAM-SHA-512", "hush", "check the SASL mechanism")
	f("PLAIN", "", "", "SASL")
}

// A real Kafka says why it refuses a user; the start ends with that at once, and with what to do,
// and is not tried again. KAFKA_SASL_BROKERS names a broker as scripts/kafka/start.sh starts it.
func TestSASLOfKafka(t *testing.T) {
	brokers := os.Getenv("KAFKA_SASL_BROKERS")
	if brokers == "" {
		t.Skip("KAFKA_SASL_BROKERS names no broker")
	}
	f := func(mechanism, user, password, want string) {
		t.Helper()
		client := ClientConfig{
			Brokers: strings.Split(brokers, ","),
			SASL:    SASL{Mechanism: mechanism, Username: user, Password: password},
		}
		topic := fmt.Sprintf("sasl-%d", time.Now().UnixNano())
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		err := NewSource(
			SourceConfig{
				Client: client,
				Topics: []string{topic},
				Group:  topic,
				Logger: slog.New(slog.DiscardHandler),
			},
			newNotebook(),
		).Run(ctx)
		if err == nil || !strings.Contains(err.Error(), want) ||
			strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("%s as %s: got %v after %s, want %q", mechanism, user, err,
				time.Since(began), want)
		}
	}
	for _, m := range []string{"PLAIN", "SCRAM-SHA-512"} {
		f(m, "alert-engine", "wrong-password",
			"the broker refuses the credentials; check the SASL mechanism, user name and password")
		f(m, "unknown", "wrong-password", "the broker refuses the credentials; check the SASL "+
			"mechanism, user name and password")
		f(m, "alert-engine", "right-password", "does not exist") // the topic: we are let in
	}
	f("SCRAM-SHA-256", "alert-engine", "right-password",
		"the broker does not offer this SASL mechanism; configure another")
	f("", "", "", "check the SASL mechanism")
}

// Over TLS with a certificate authority of one's own, and with a certificate that proves who we
// are.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	ca, caKey := certificateFor(t, file("ca"), nil, nil)
	certificateFor(t, file("client"), ca, caKey)
	certificateFor(t, file("server"), ca, caKey)
	pair, err := tls.LoadX509KeyPair(file("server.pem"), file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AddCert(ca)
	server := func(auth tls.ClientAuthType) devbroker.Options {
		return devbroker.Options{
			TLS: &tls.Config{
				Certificates: []tls.Certificate{pair},
				ClientCAs:    authorities,
				ClientAuth:   auth,
			},
		}
	}
	f := func(what string, o devbroker.Options, c TLS, want string) {
		t.Helper()
		if got := join(t, o, ClientConfig{TLS: c}); want == "" && got != "" ||
			!strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", what, got, want)
		}
	}
	f("its authority", server(tls.NoClientCert), TLS{CAFile: file("ca.pem")}, "")
	f("no check", server(tls.NoClientCert), TLS{Enabled: true, InsecureSkipVerify: true}, "")
	f("mutual", server(tls.RequireAndVerifyClientCert), TLS{
		CAFile:   file("ca.pem"),
		CertFile: file("client.pem"),
		KeyFile:  file("client.key"),
	}, "")
	f(
		"unknown authority",
		server(tls.NoClientCert),
		TLS{Enabled: true},
		"the TLS connection is refused; check the CA, the client certificate and the server name",
	)
	f(
		"another name",
		server(tls.NoClientCert),
		TLS{CAFile: file("ca.pem"), ServerName: "kafka.example"},
		"check the CA, the client certificate and the server name",
	)
	f("no file", server(tls.NoClientCert), TLS{CAFile: file("gone.pem")}, "read CA certificates")
	f("no certificate in it", server(tls.NoClientCert), TLS{CAFile: file("ca.key")},
		"holds no certificate in PEM")
	f("half a pair", server(tls.NoClientCert), TLS{CertFile: file("client.pem")},
		"read client certificate")
}

// certificateFor writes a certificate and its key, signed by an authority or by itself.
func certificateFor(
	t *testing.T,
	name string,
	ca *x509.Certificate,
	caKey *ecdsa.PrivateKey,
) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: filepath.Base(name)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter: time.Now().
			Add(time.Hour),
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:                  ca == nil,
		BasicConstraintsValid: true,
		ExtKeyUsage: []x509.ExtKeyUsage{
			x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth,
		},
	}
	if ca == nil {
		ca, caKey, template.ExtKeyUsage, template.KeyUsage = template, key, nil,
			x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, &key.PublicKey, caKey)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, kind string, bytes []byte) {
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}),
			0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(name+".pem", "CERTIFICATE", der)
	write(name+".key", "PRIVATE KEY", text)
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// Credentials come from where they are kept, each time they are needed.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	s := SASL{Mechanism: "OAUTHBEARER", TokenFile: file}
	if _, err := s.oauth(context.Background()); err == nil || !needsOperator(err) {
		t.Errorf("without a file: %v", err)
	}
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := s.oauth(context.Background()); err != nil || got.Token != token {
			t.Errorf("got %q, %v", got.Token, err)
		}
	}
	for _, m := range []string{
		"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "AWS_MSK_IAM",
	} {
		if _, err := (SASL{Mechanism: m}).mechanism(); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
	if _, err := (SASL{Mechanism: "GSSAPI"}).mechanism(); err == nil {
		t.Error("GSSAPI is accepted")
	}
}

// Without static keys, credentials come from wherever the AWS SDK finds them: the environment, or
// the role of a task or pod.
func TestAWSCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"} {
		t.Setenv(name, "")
	}
	none := filepath.Join(t.TempDir(), "none")
	t.Setenv("AWS_CONFIG_FILE", none)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", none)
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	f := func(what string, s SASL, want string) {
		t.Helper()
		got, err := s.aws()(t.Context())
		if key := got.AccessKey; err != nil || key != want {
			t.Errorf("%s: got %q, %v", what, key, err)
		}
	}
	if _, err := (SASL{}).aws()(t.Context()); err == nil || !needsOperator(err) {
		t.Errorf("without credentials: %v", err)
	}
	f("static", SASL{AccessKey: "a", SecretKey: "b"}, "a")
	role := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"AccessKeyId":"role","SecretAccessKey":"s","Token":"t",` +
			`"Expiration":"2100-01-01T00:00:00Z"}`))
	}))
	defer role.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", role.URL)
	f("role", SASL{}, "role")
	t.Setenv("AWS_ACCESS_KEY_ID", "environment")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	f("environment", SASL{}, "environment")
}

// A host name is no reason for a failure, whatever words are in it.
func TestErrorsAreDecidedByType(t *testing.T) {
	for _, text := range []string{
		"dial mechanism.invalid:9092: no such host", "no AWS credentials.example: no such host",
	} {
		err := errors.New(text)
		if needsOperator(err) || withHint(err) != err {
			t.Errorf("%v: got %v", err, withHint(err))
		}
	}
}
