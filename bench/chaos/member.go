package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// sessionTimeout is how long the group waits for a member that says nothing.
const sessionTimeout = 6 * time.Second

// member is alert-engine in a process of its own, started again whenever it is killed.
type member struct {
	dir, bin, config, listen string
	unprotected              bool
	cmd                      *exec.Cmd
	log                      *os.File
}

// prepare builds alert-engine and writes its configuration.
func (m *member) prepare(brokers, topic, hook string) (err error) {
	m.bin, m.config = filepath.Join(m.dir, "alert-engine"), filepath.Join(m.dir, "alert-engine.yml")
	build := exec.Command("go", "build", "-o", m.bin, "./cmd/alert-engine")
	build.Dir, build.Stderr = "..", os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build alert-engine: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	m.listen = l.Addr().String()
	l.Close()
	if m.log, err = os.Create(filepath.Join(m.dir, "log.txt")); err != nil {
		return err
	}
	for name, text := range map[string]string{
		m.config: fmt.Sprintf("kafka: {brokers: [%s], topics: [%s], group: %s, start: start, session_timeout: %v}\nrules: [chaos.rules.yml]\n"+
			"notify: {alertmanager_config: alertmanager.yml}\ndata_dir: data\nweb: {listen: %q}\nlog: {level: info}\n", brokers, topic, topic, sessionTimeout, m.listen),
		filepath.Join(m.dir, "alertmanager.yml"): fmt.Sprintf("route: {receiver: chaos, group_by: ['...'], group_wait: 0s, group_interval: 1s, repeat_interval: 1h}\n"+
			"receivers: [{name: chaos, webhook_configs: [{url: %q}]}]\n", hook),
		filepath.Join(m.dir, "chaos.rules.yml"): rules,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (m *member) start() error {
	m.cmd = exec.Command(m.bin, "run", "--config", m.config)
	m.cmd.Stdout, m.cmd.Stderr = m.log, m.log
	return m.cmd.Start()
}

// kill ends the process with no chance to say anything, and starts the next.
func (m *member) kill() error {
	if err := m.cmd.Process.Kill(); err != nil {
		return fmt.Errorf("kill alert-engine, which seems to have ended by itself: %w; see its log", err)
	}
	m.cmd.Wait()
	if m.unprotected {
		if err := os.RemoveAll(filepath.Join(m.dir, "data")); err != nil {
			return err
		}
	}
	return m.start()
}

// pause stops the process for a while, and lets it go on.
func (m *member) pause(d time.Duration) error {
	if err := m.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	time.Sleep(d)
	return m.cmd.Process.Signal(syscall.SIGCONT)
}

// drain waits until a time has come and the engine is ready, which it is not while it catches up.
func (m *member) drain(until time.Time, patience time.Duration) error {
	time.Sleep(time.Until(until))
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if r, err := http.Get("http://" + m.listen + "/readyz"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				time.Sleep(longest)
				return nil
			}
		}
	}
	return errors.New("alert-engine does not become ready at the end")
}

// stop asks the process to end.
func (m *member) stop() error {
	cmd := m.cmd
	m.cmd = nil
	if err := errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()); err != nil {
		return fmt.Errorf("stop alert-engine: %w; see its log", err)
	}
	return nil
}

// end leaves no process behind.
func (m *member) end() {
	if m.cmd != nil {
		m.cmd.Process.Kill()
		m.cmd.Wait()
	}
}

// webhook receives notifications.
type webhook struct {
	url string

	mu   sync.Mutex // guards seen
	seen map[string]int
}

func startWebhook() (*webhook, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	w := &webhook{url: "http://" + l.Addr().String(), seen: map[string]int{}}
	go http.Serve(l, w)
	return w, nil
}

// ServeHTTP takes a notification in Alertmanager's format.
func (w *webhook) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		Alerts []struct {
			Status string
			Labels map[string]string
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		log.Print(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range body.Alerts {
		w.seen[a.Labels["alertname"]+" "+a.Labels["key"]+" "+a.Status]++
	}
}

// notified is how many notifications of each kind arrived: by rule, key and status.
func (w *webhook) notified() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen
}
