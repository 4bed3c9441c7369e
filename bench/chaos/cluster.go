package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// cluster is a real Kafka that scripts/kafka/start.sh has started, with proxies before its brokers
// if it was started to be reached by them.
type cluster struct {
	dir     string
	proxies []*toxiproxy.Proxy
	killed  *exec.Cmd // how to start the broker that was killed last
	kills   int
	cuts    int
}

// openProxies starts a proxy before each broker, where the script has the brokers send their
// clients: at the port that proxied names for the first one.
func (c *cluster) openProxies(proxied, brokers int) (addrs []string, err error) {
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()),
		zerolog.Nop())
	for i := range brokers {
		listen, upstream := net.JoinHostPort("127.0.0.1", strconv.Itoa(proxied+i)),
			net.JoinHostPort("127.0.0.1", strconv.Itoa(proxied+100+i))
		p := toxiproxy.NewProxy(server, fmt.Sprintf("broker-%d", i+1), listen, upstream)
		if err := p.Start(); err != nil {
			return nil, fmt.Errorf("proxy before broker %d: %w", i+1, err)
		}
		c.proxies = append(c.proxies, p)
		addrs = append(addrs, listen)
	}
	return addrs, nil
}

// trouble kills a broker every 30 seconds and starts it again, and every few seconds cuts the
// network between the engine and some brokers, until ctx is done. The broker that is also the
// controller of the cluster is left alone.
func (c *cluster) trouble(ctx context.Context, r *rand.Rand) error {
	kill, cut := time.NewTicker(30*time.Second), time.NewTicker(7*time.Second)
	defer kill.Stop()
	defer cut.Stop()
	next := 2
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-kill.C:
			err = c.restart(next)
			if next++; !c.exists(next) {
				next = 2
			}
		case <-cut.C:
			err = c.cut(ctx, r)
		}
		if err != nil {
			return err
		}
	}
}

func (c *cluster) pidFile(node int) string {
	return filepath.Join(c.dir, fmt.Sprintf("node%d", node), "pid")
}

func (c *cluster) exists(node int) bool {
	_, err := os.Stat(c.pidFile(node))
	return err == nil
}

// restart kills a broker with no chance to say anything, and starts it again as it was started.
func (c *cluster) restart(node int) error {
	if err := c.kill(node); err != nil {
		return err
	}
	time.Sleep(time.Second) // the port and the lock of the directory are free again
	return c.revive(node)
}

// kill ends a broker with no chance to say anything, and notes how it was started.
func (c *cluster) kill(node int) error {
	text, err := os.ReadFile(c.pidFile(node))
	if err != nil {
		return fmt.Errorf(
			"broker %d: %w; is %s where scripts/kafka/start.sh has put its brokers?", node,
			err, c.dir,
		)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return err
	}
	dir, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	c.kills++
	args := strings.Split(string(bytes.TrimRight(line, "\x00")), "\x00")
	c.killed = exec.Command(args[0], args[1:]...)
	c.killed.Dir = dir
	return nil
}

// revive starts the broker that was killed.
func (c *cluster) revive(node int) error {
	cmd := c.killed
	if err := cmd.Start(); err != nil {
		return err
	}
	go cmd.Wait() // the next kill, or the script that stops them all, ends it
	pid := strconv.Itoa(cmd.Process.Pid)
	return os.WriteFile(c.pidFile(node), []byte(pid), 0o644)
}

// cut makes the network bad for some seconds: all connections are closed and none is opened, or
// bytes vanish, or everything takes half a second.
func (c *cluster) cut(ctx context.Context, r *rand.Rand) error {
	if len(c.proxies) == 0 {
		return nil
	}
	c.cuts++
	var errs []error
	for _, p := range c.proxies {
		if r.IntN(3) == 0 {
			continue
		}
		switch r.IntN(3) {
		case 0:
			p.Stop()
		case 1:
			_, err := p.Toxics.AddToxicJson(
				strings.NewReader(
					`{"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}}`,
				),
			)
			errs = append(errs, err)
		case 2:
			_, err := p.Toxics.AddToxicJson(
				strings.NewReader(
					`{"type": "latency", "stream": "upstream", "attributes": {"latency": 500, ` +
						`"jitter": 200}}`,
				),
			)
			errs = append(errs, err)
		}
	}
	select {
	case <-time.After(time.Second + time.Duration(r.Int64N(int64(4*time.Second)))):
	case <-ctx.Done():
	}
	for _, p := range c.proxies {
		p.Toxics.ResetToxics(context.Background())
		if !p.Enabled {
			errs = append(errs, p.Start())
		}
	}
	return errors.Join(errs...)
}

func (c *cluster) String() string {
	return fmt.Sprintf("%d brokers killed, %d network cuts", c.kills, c.cuts)
}

// watch runs trouble beside everything else; the function it returns ends it.
func (c *cluster) watch(seed uint64) (end func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		err := c.trouble(ctx, rand.New(rand.NewPCG(seed, 4)))
		if err != nil {
			log.Print(err)
		}
		done <- err
	}()
	return func() error {
		cancel()
		return <-done
	}
}
