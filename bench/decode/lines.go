package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"
)

var (
	kinds    = []string{"json", "ecs", "logfmt", "text"}
	baseTime = time.UnixMilli(1777889480000)

	// rulePaths are the fields of rules; a log has five of them.
	rulePaths = []string{
		"order.id",
		"order.amount",
		"user.id",
		"status",
		"duration_ms",
		"http.route",
		"error.code",
		"region",
	}

	// fastPaths are where the same twenty fields stand in the JSON: anyone who uses fastjson knows
	// the shape of his logs.
	fastPaths = [][]string{
		{
			"message",
		}, {"stack_trace"}, {"level"}, {"service"}, {"kubernetes", "namespace_name"},
		{"kubernetes", "pod_name"}, {"kubernetes", "container_name"}, {"hostname"},
		{
			"trace_id",
		}, {"span_id"}, {"log_source"}, {"log_type"}, {"order", "id"}, {"order", "amount"},
		{"user", "id"}, {"status"}, {"duration_ms"}, {"http", "route"},
		{"error", "code"}, {"region"},
	}
)

// entry is the JSON as a struct.
type entry struct {
	Timestamp  time.Time `json:"@timestamp"`
	Level      string    `json:"level"`
	Message    string    `json:"message"`
	LogSource  string    `json:"log_source"`
	LogType    string    `json:"log_type"`
	Hostname   string    `json:"hostname"`
	Kubernetes struct {
		Namespace   string            `json:"namespace_name"`
		Pod         string            `json:"pod_name"`
		Container   string            `json:"container_name"`
		ContainerID string            `json:"container_id"`
		PodIP       string            `json:"pod_ip"`
		Labels      map[string]string `json:"labels"`
	} `json:"kubernetes"`
	TraceID string `json:"trace_id"`
	Order   struct {
		ID     string      `json:"id"`
		Amount json.Number `json:"amount"`
	} `json:"order"`
	User struct {
		ID string `json:"id"`
	} `json:"user"`
	Status   int `json:"status"`
	Duration int `json:"duration_ms"`
}

var levels = [...]string{"info", "info", "info", "info", "warn", "error"}

// id is a trace ID, which does not compress.
func id(i int) []byte {
	h := sha256.Sum256(fmt.Append(nil, i))
	return h[:16]
}

// line is log i of a kind. Pods, levels, orders and times vary, as they do on a topic.
func line(kind string, i int) string {
	at := time.Unix(1777889400+int64(i/1000), int64(i%1000)*1_000_003).UTC()
	level, pod, order := levels[i%len(levels)], i*7919%60, i*104729%1_000_000
	message := fmt.Sprintf(
		"payment failed: card declined by issuer after %d attempts, giving up on order A-%06d",
		i%5, order)
	switch kind {
	case "json":
		return fmt.Sprintf(
			`{"@timestamp":"%s","level":"%s","message":"%s","log_source":"container",`+
				`"log_type":"application","hostname":"ip-10-0-1-%03d.ec2.internal",`+
				`"kubernetes":{"namespace_name":"prod","pod_name":"checkout-6d5f9c7b8-%05x",`+
				`"container_name":"checkout","container_id":"cri-o://336049f8",`+
				`"pod_ip":"10.129.0.25",`+
				`"labels":{"app":"checkout"}},"trace_id":"%032x","order":{"id":"A-%06d",`+
				`"amount":%d.90},"user":{"id":"u-%03d"},"status":%d,"duration_ms":%d}`,
			at.Format("2006-01-02T15:04:05.000000Z"),
			level,
			message,
			pod,
			pod,
			id(i),
			order,
			i%200,
			i%1000,
			200+i%5*100,
			i%997,
		)
	case "ecs":
		return fmt.Sprintf(
			`{"@timestamp":"%s","log.level":"%s","message":"%s","ecs.version":"1.2.0",`+
				`"service.name":"checkout","event.dataset":"checkout",`+
				`"process.thread.name":"http-%d","log.logger":"c.s.Pay","trace.id":"%032x",`+
				`"host":{"name":"node-%03d"},"labels":{"order":"A-%06d"}}`,
			at.Format("2006-01-02T15:04:05.000Z"),
			level,
			message,
			i%16,
			id(i),
			pod,
			order,
		)
	case "logfmt":
		return fmt.Sprintf(
			`time="%s" level=%s msg="%s" status=%d duration_ms=%d service=checkout user=u-%03d`,
			at.Format(time.RFC3339), level, message, 200+i%5*100, i%997, i%1000)
	}
	return fmt.Sprintf("%s %-5s [http-%d] c.s.Pay - %s", at.Format("2006-01-02 15:04:05,000"),
		map[string]string{"info": "INFO", "warn": "WARN", "error": "ERROR"}[level], i%16, message)
}
