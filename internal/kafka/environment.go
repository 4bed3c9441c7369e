package kafka

import (
	"os"
	"strings"
)

// fromEnvironment replaces defaults by the variables that the program reads, too, so that addresses
// and credentials need not stand in code. A file that cannot be read leaves the password empty,
// which the brokers refuse.
func (c *ConsumerConfig) fromEnvironment() {
	set := func(to *string, name string) {
		if v := os.Getenv("ALERT_ENGINE_" + name); v != "" {
			*to = v
		}
	}
	var brokers, password string
	if set(&brokers, "BROKERS"); brokers != "" {
		c.Brokers = strings.Split(brokers, ",")
	}
	set(&c.Topic, "TOPIC")
	set(&c.GroupID, "GROUP")
	set(&c.SASL.Mechanism, "SASL_MECHANISM")
	set(&c.SASL.Username, "SASL_USERNAME")
	set(&c.SASL.Password, "SASL_PASSWORD")
	if set(&password, "SASL_PASSWORD_FILE"); password != "" {
		text, _ := os.ReadFile(password)
		c.SASL.Password = strings.TrimSpace(string(text))
	}
	set(&c.SASL.TokenFile, "SASL_TOKEN_FILE")
	set(&c.TLS.CAFile, "TLS_CA_FILE")
	set(&c.TLS.CertFile, "TLS_CERT_FILE")
	set(&c.TLS.KeyFile, "TLS_KEY_FILE")
	c.TLS.Enabled = c.TLS.Enabled || os.Getenv("ALERT_ENGINE_TLS") == "true"
}
