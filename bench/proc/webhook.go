package proc

import (
	"encoding/json"
	"net"
	"net/http"
	"time"
)

// Alert is one of a notification in Alertmanager's format.
type Alert struct {
	Status              string
	Labels, Annotations map[string]string
	StartsAt            time.Time
}

// Serve serves HTTP on a port of its own until the process ends, and returns the URL.
func Serve(h http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	go http.Serve(l, h)
	return "http://" + l.Addr().String(), nil
}

// ReadAlerts reads a notification in Alertmanager's format.
func ReadAlerts(r *http.Request) ([]Alert, error) {
	var body struct{ Alerts []Alert }
	err := json.NewDecoder(r.Body).Decode(&body)
	return body.Alerts, err
}
