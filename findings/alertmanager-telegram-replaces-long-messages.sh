#!/usr/bin/env bash
# Where a message to Telegram is longer than 4,096 characters, Alertmanager sends a notice in its place that names no alert. Its own template reaches that with 40 plain alerts in a group.
# Other receivers get the beginning of the text.
# Seen with alertmanager 0.35.0.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
export GOFLAGS=-mod=mod GOWORK=off
cat >go.mod <<'MOD'
module finding
go 1.26
MOD
cat >main.go <<'GO'
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/telegram"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
)

func main() {
	texts := make(chan string, 1)
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var message struct{ Text string }
		json.NewDecoder(r.Body).Decode(&message)
		texts <- message.Text
		fmt.Fprint(w, `{"ok": true, "result": {"message_id": 1, "chat": {"id": 1}}}`)
	}))
	c, err := config.Load(`
route: {receiver: chat}
receivers: [{name: chat, telegram_configs: [{bot_token: token, chat_id: 1, api_url: '` + bot.URL + `'}]}]`)
	if err != nil {
		panic(err)
	}
	templates, err := template.FromGlobs(nil)
	if err != nil {
		panic(err)
	}
	templates.ExternalURL, _ = url.Parse("http://alerts.example")
	to, err := telegram.New(c.Receivers[0].TelegramConfigs[0], templates, slog.New(slog.DiscardHandler))
	if err != nil {
		panic(err)
	}
	ctx := notify.WithGroupLabels(notify.WithGroupKey(context.Background(), "group"), model.LabelSet{})
	ctx = notify.WithReceiverName(ctx, "chat")
	for _, n := range []int{5, 40} {
		var list []*alert.Alert
		for i := range n {
			list = append(list, alert.New(model.Alert{
				Labels: model.LabelSet{
					"alertname": "PaymentErrors", "severity": "critical", "instance": model.LabelValue(fmt.Sprintf("payments-%d.example", i)),
				},
				Annotations:  model.LabelSet{"summary": "too many payments fail"},
				StartsAt:     time.Now(),
				GeneratorURL: "http://prometheus.example/graph",
			}, time.Now(), false))
		}
		to.Notify(ctx, list...)
		text := <-texts
		fmt.Println(n, "alerts, named in the message:", strings.Count(text, "PaymentErrors") > 0, strings.SplitN(text, ".", 2)[0] == "Alertmanager notification could not be sent: message length exceeds Telegram limits")
	}
}
GO
go get github.com/prometheus/alertmanager@v0.35.0 >/dev/null 2>&1
go mod tidy >/dev/null 2>&1
go run . | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
5 alerts, named in the message: true false
40 alerts, named in the message: false true
OUT
