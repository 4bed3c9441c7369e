// Package proc runs alert-engine in a process of its own, as built from the sources,
// for the benchmarks that measure the whole program.
package proc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Engine is alert-engine with a directory of its own.
type Engine struct {
	Dir    string // its configuration, state and log are here
	Listen string // of its pages

	bin string
	cmd *exec.Cmd
	log *os.File
}

// Build builds alert-engine from the sources beside the benchmarks, and writes its files:
// alert-engine.yml, to which where the pages and the state are is added, and whatever that names.
func Build(dir, config string, files map[string]string) (*Engine, error) {
	return BuildOrUse("", dir, config, files)
}

// BuildOrUse is Build with a program that is built already, if one is named.
func BuildOrUse(bin, dir, config string, files map[string]string) (*Engine, error) {
	e := &Engine{Dir: dir, bin: bin}
	if bin == "" {
		e.bin = filepath.Join(dir, "alert-engine")
		build := exec.Command("go", "build", "-o", e.bin, "./cmd/alert-engine")
		build.Dir, build.Stderr = "..", os.Stderr
		if err := build.Run(); err != nil {
			return nil, fmt.Errorf(
				"build alert-engine: %w; benchmarks are run from the directory bench",
				err,
			)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e.Listen = l.Addr().String()
	l.Close()
	if e.log, err = os.Create(filepath.Join(dir, "log.txt")); err != nil {
		return nil, err
	}
	all := map[string]string{
		"alert-engine.yml": config + fmt.Sprintf(
			"data_dir: data\nweb: {listen: %q, pprof: true}\n",
			e.Listen,
		),
	}
	for name, text := range files {
		all[name] = text
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return e, nil
}

// Bin is the file of the program.
func (e *Engine) Bin() string { return e.bin }

// Start starts the program and returns at once.
func (e *Engine) Start() error {
	cmd := exec.Command(e.bin, "run", "--config", filepath.Join(e.Dir, "alert-engine.yml"))
	cmd.Stdout, cmd.Stderr = e.log, e.log
	if err := cmd.Start(); err != nil {
		return err
	}
	e.cmd = cmd // ResidentMB may be asked meanwhile
	return nil
}

// Ready reports whether the program finds alerts and can send notifications.
func (e *Engine) Ready() bool {
	r, err := http.Get("http://" + e.Listen + "/readyz")
	if err != nil {
		return false
	}
	r.Body.Close()
	return r.StatusCode == http.StatusOK
}

// AwaitReady waits until the program is ready.
func (e *Engine) AwaitReady(patience time.Duration) error {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if e.Ready() {
			return nil
		}
	}
	return fmt.Errorf("alert-engine does not become ready; see %s", e.log.Name())
}

// Signal sends a signal to the process.
func (e *Engine) Signal(s os.Signal) error { return e.cmd.Process.Signal(s) }

// Kill ends the process with no chance to say anything.
func (e *Engine) Kill() error {
	if err := e.cmd.Process.Kill(); err != nil {
		return fmt.Errorf(
			"kill alert-engine, which seems to have ended by itself: %w; see %s",
			err,
			e.log.Name(),
		)
	}
	e.cmd.Wait()
	return nil
}

// Stop asks the process to end, and waits until it has.
func (e *Engine) Stop() error {
	if err := errors.Join(e.cmd.Process.Signal(os.Interrupt), e.cmd.Wait()); err != nil {
		return fmt.Errorf("stop alert-engine: %w; see %s", err, e.log.Name())
	}
	return nil
}

// ResidentMB is the resident set of the process in megabytes; 0 where the system does not say.
func (e *Engine) ResidentMB() int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.cmd.Process.Pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kb / 1024
		}
	}
	return 0
}

// CPU is the processor time that the process has used; 0 where the system does not say.
func (e *Engine) CPU() time.Duration {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", e.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Counter is the sum of a counter, or of a gauge of whole numbers, on the process's /metrics.
func (e *Engine) Counter(name string) (sum int, err error) {
	r, err := http.Get("http://" + e.Listen + "/metrics")
	if err != nil {
		return 0, err
	}
	defer r.Body.Close()
	lines := bufio.NewScanner(r.Body)
	for lines.Scan() {
		text, value, _ := strings.Cut(lines.Text(), " ")
		if base, _, _ := strings.Cut(text, "{"); base == name {
			v, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += int(v)
		}
	}
	return sum, lines.Err()
}

// Machine is what figures depend on: how many CPUs there are, and how busy they were.
func Machine() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return fmt.Sprintf("%d CPUs", runtime.NumCPU())
	}
	return fmt.Sprintf(
		"%d CPUs, load average %s",
		runtime.NumCPU(),
		strings.Fields(string(text))[0],
	)
}

// Part is a part of the resident memory of a process.
type Part struct {
	Name       string
	ResidentKB int
}

// Memory is the resident memory of the process by part, as /proc says.
func (e *Engine) Memory() ([]Part, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/smaps", e.cmd.Process.Pid))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parts := []Part{
		{Name: "code of the program"}, {Name: "its constants and tables"}, {Name: "its variables"},
		{Name: "heap and stacks"}, {Name: "others"},
	}
	at := 0
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.HasPrefix(fields[0], "Rss:"):
			kb, _ := strconv.Atoi(fields[1])
			parts[at].ResidentKB += kb
		case !strings.HasSuffix(fields[0], ":"): // the head of an area
			at = part(fields, e.bin)
		}
	}
	return parts, lines.Err()
}

// part says to which part an area belongs: its addresses, rights, offset, device, inode and file.
func part(area []string, bin string) int {
	file := len(area) > 5 && area[5] == bin
	switch {
	case file && area[1][2] == 'x':
		return 0
	case file && area[1][1] == '-':
		return 1
	case file:
		return 2
	case strings.HasPrefix(area[0], "c0"): // where Go's heap begins
		return 3
	}
	return 4
}
