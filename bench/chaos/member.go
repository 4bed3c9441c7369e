package main

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/log-monitoring/alert-engine/bench/proc"
	"github.com/log-monitoring/alert-engine/internal/store"
)

// sessionTimeout is how long the group waits for a member that says nothing.
const sessionTimeout = 6 * time.Second

// outageGrace is how long a member that could not read waits for what producers have buffered.
const outageGrace = 20 * time.Second

// member is alert-engine in a process of its own, started again whenever it is killed.
type member struct {
	*proc.Engine
	unprotected bool
	running     bool
}

// newMember builds alert-engine and writes its configuration.
func newMember(
	dir, brokers, topic, hook string, lateness time.Duration, bin string,
) (*member, error) {
	engine, err := proc.BuildOrUse(
		bin,
		dir,
		fmt.Sprintf(
			"kafka: {brokers: [%s], topics: [%s], group: %s, start: start, session_timeout: %v, "+
				"outage_grace: %v}\nrules: [chaos.rules.yml]\n"+
				"cluster: {enabled: true, snapshot_every: 3s}\n"+
				"notify: {alertmanager_config: alertmanager.yml}\n",
			brokers,
			topic,
			topic,
			sessionTimeout,
			outageGrace,
		),
		map[string]string{
			"alertmanager.yml": fmt.Sprintf(
				"route: {receiver: chaos, group_by: ['...'], group_wait: 0s, group_interval: 1s, "+
					"repeat_interval: 1h}\n"+
					"receivers: [{name: chaos, webhook_configs: [{url: %q}]}]\n",
				hook,
			),
			"chaos.rules.yml": fmt.Sprintf(rules, lateness),
		},
	)
	return &member{Engine: engine}, err
}

func (m *member) start() error {
	m.running = true
	return m.Start()
}

// kill ends the process with no chance to say anything, and starts the next.
func (m *member) kill() error {
	if err := m.Kill(); err != nil {
		return err
	}
	if m.unprotected {
		if err := m.dropPositions(); err != nil {
			return err
		}
	}
	return m.start()
}

// dropPositions leaves the engine its state and takes away how far the state goes, so that it
// reads a window's worth of logs on top of it again.
func (m *member) dropPositions() error {
	s, err := store.Open(filepath.Join(m.Dir, "data", "state"), store.Options{})
	if err != nil {
		return err
	}
	c := s.Begin()
	if !c.Full() { // else nothing was saved yet
		for source := range s.Positions() {
			c.Release(source)
		}
		err = s.Commit(c)
	}
	return errors.Join(err, s.Close())
}

// pause stops the process for a while, and lets it go on.
func (m *member) pause(d time.Duration) error {
	if err := m.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return m.Signal(syscall.SIGCONT)
}

// stop asks the process to end.
func (m *member) stop() error {
	m.running = false
	return m.Stop()
}

// end leaves no process behind.
func (m *member) end() {
	if m.running {
		m.Kill()
	}
}

// webhook receives notifications.
type webhook struct {
	url string

	mu            sync.Mutex // guards what follows
	seen          map[string]int
	notifications []notification
}

func startWebhook() (*webhook, error) {
	w := &webhook{seen: map[string]int{}}
	var err error
	w.url, err = proc.Serve(w)
	return w, err
}

// ServeHTTP takes a notification in Alertmanager's format.
func (w *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	alerts, err := proc.ReadAlerts(r)
	if err != nil {
		log.Print(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range alerts {
		w.notifications = append(
			w.notifications,
			notification{
				time.Now(),
				a.Annotations["alert_id"],
				a.Labels["alertname"] + " " + a.Labels["key"],
				a.Status,
				strings.Fields(a.Annotations["merged_alert_ids"]),
			},
		)
		w.seen[a.Labels["alertname"]+" "+a.Labels["key"]+" "+a.Status]++
	}
}

// counts is how many notifications of each kind arrived: by rule, key and status.
func (w *webhook) counts() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}
